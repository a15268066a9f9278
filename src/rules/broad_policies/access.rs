//! What documents allow, as far as it can be told from the documents alone.
//!
//! A question names an action and what it is wanted on. An Allow counts by how its conditions narrow it; a Deny counts only
//! where it certainly takes everything away that was asked for. Session policies and the organization's policies are not seen.

use serde_json::Value;

use crate::model::{
    AccountId, ActionPattern, Actions, Clause, Effect, Glob, Partition, PolicyDocument, PolicyDocumentError,
    Statement,
};
use crate::rules::unused_permissions::Catalogue;

/// A name that nobody gives anything: what matches it matches everything of the kind.
const ANY: &str = "zz-any-of-them";
/// A region that is none.
const ANYWHERE: &str = "zz-anywhere-0";

/// Conditions that somebody who has the permission can meet, or that say only from where and how it is used.
const EASY: [&str; 9] = [
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:securetransport",
    "aws:requestedregion",
    "aws:sourceip",
    "aws:currenttime",
    "aws:epochtime",
    "aws:useragent",
    "aws:tokenissuetime",
];

/// How freely something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// Without a condition that matters.
    Plain,
    /// Under conditions that its holder can meet: MFA, an address, a region, a time.
    Conditional,
    /// Under other conditions; nobody can tell here what they leave.
    Narrowed,
}

/// What an action is wanted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// Anything at all.
    Something,
    /// Everything of its service, be it in one region.
    All,
    /// Every resource of every service.
    Everything,
    /// Every user, role, group or policy of the account; with `own`, the caller itself suffices.
    Iam {
        /// `user`, `role`, `group` or `policy`.
        kind: &'static str,
        /// Whether a pattern that names the caller by a variable suffices.
        own: bool,
    },
}

/// Where the documents are in force.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) partition: Partition,
    pub(super) account: AccountId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Resources {
    Listed(Vec<String>),
    AllBut(Vec<String>),
}

/// One statement.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) effect: Effect,
    pub(super) actions: Actions,
    resources: Resources,
    clauses: Vec<Clause>,
}

impl Entry {
    /// Of every statement of a document.
    ///
    /// # Errors
    /// [`PolicyDocumentError`] where resources or conditions are not what the grammar allows.
    pub(super) fn of_document(document: &PolicyDocument) -> Result<Vec<Self>, PolicyDocumentError> {
        document.statements.iter().map(Self::of_statement).collect()
    }

    fn of_statement(statement: &Statement) -> Result<Self, PolicyDocumentError> {
        let wrong = |what: &str| PolicyDocumentError::Grammar(what.to_owned());
        let texts = |value: &Value| {
            let items = match value.as_array() {
                Some(items) => items.as_slice(),
                None => std::slice::from_ref(value),
            };
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts
                .collect::<Option<Vec<_>>>()
                .filter(|texts| !texts.is_empty())
                .ok_or_else(|| wrong("a resource is not a text"))
        };
        let rest = &statement.rest;
        let resources = match (rest.get("Resource"), rest.get("NotResource")) {
            (Some(listed), None) => Resources::Listed(texts(listed)?),
            (None, Some(all_but)) => Resources::AllBut(texts(all_but)?),
            (Some(_), Some(_)) => return Err(wrong("a statement has both `Resource` and `NotResource`")),
            (None, None) => return Err(wrong("a statement has neither `Resource` nor `NotResource`")),
        };
        if rest.contains_key("Principal") || rest.contains_key("NotPrincipal") {
            return Err(wrong("a policy of a principal names principals"));
        }
        Ok(Self {
            effect: statement.effect,
            actions: statement.actions.clone(),
            resources,
            clauses: Clause::of(statement)?,
        })
    }

    /// How freely an Allow lets its actions be used on what is wanted; `None`: not on that. `to` are the services that a
    /// role is passed to, where that is the question.
    pub(super) fn strength(&self, service: &str, on: On, to: &[&str], place: &Place) -> Option<Strength> {
        if self.effect != Effect::Allow || !self.resources.cover(service, on, place) {
            return None;
        }
        let of_clause = |clause: &Clause| match clause.key.as_str() {
            "iam:passedtoservice" if !to.is_empty() => match clause.demanded() {
                Some(values) if values.iter().any(|value| fits(value, to)) => Strength::Plain,
                Some(_) | None => Strength::Narrowed,
            },
            key if EASY.contains(&key) => Strength::Conditional,
            _ => Strength::Narrowed,
        };
        Some(
            self.clauses
                .iter()
                .map(of_clause)
                .max()
                .unwrap_or(Strength::Plain),
        )
    }

    /// Whether a Deny always takes away what is wanted of its actions.
    fn takes_away(&self, service: &str, on: On, place: &Place) -> bool {
        self.effect == Effect::Deny
            && self.clauses.is_empty()
            && match (&self.resources, on) {
                (Resources::Listed(patterns), On::Iam { .. }) => {
                    patterns.iter().any(|pattern| is_stars(pattern))
                        || self.resources.cover(service, on, place)
                }
                (Resources::Listed(patterns), On::Something | On::All | On::Everything) => {
                    patterns.iter().any(|pattern| is_stars(pattern))
                }
                (Resources::AllBut(_), _) => false,
            }
    }

    /// Whether a Deny always takes the whole service away.
    fn takes_service_away(&self, service: &str, place: &Place) -> bool {
        let whole = match &self.actions {
            Actions::Listed(patterns) => patterns.iter().any(|pattern| match pattern {
                ActionPattern::Everything => true,
                ActionPattern::Of { service: own, action } => own == service && is_stars(action.as_str()),
            }),
            Actions::AllBut(patterns) => !patterns.iter().any(|pattern| match pattern {
                ActionPattern::Everything => true,
                ActionPattern::Of { service: own, .. } => own == service,
            }),
        };
        whole && self.takes_away(service, On::Everything, place)
    }
}

fn fits(value: &str, services: &[&str]) -> bool {
    let pattern = Glob::new(value);
    services.iter().any(|service| pattern.matches(service))
}

/// What documents say of an action on what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Said {
    allows: Option<Strength>,
    takes_away: bool,
}

impl Said {
    /// What the entries of a document say of `service:action`. `to` are the services that a role is passed to.
    pub(super) fn by(
        entries: &[Entry],
        (service, action): (&str, &str),
        on: On,
        to: &[&str],
        place: &Place,
    ) -> Self {
        let mut said = Self::default();
        for entry in entries
            .iter()
            .filter(|entry| entry.actions.include(service, action))
        {
            said.join(Self {
                allows: entry.strength(service, on, to, place),
                takes_away: entry.takes_away(service, on, place),
            });
        }
        said
    }

    /// What both documents say together.
    pub(super) fn join(&mut self, other: Self) {
        self.allows = self.allows.into_iter().chain(other.allows).min();
        self.takes_away |= other.takes_away;
    }

    /// Takes away what a permissions boundary does not allow.
    pub(super) fn within(&mut self, boundary: Self) {
        self.takes_away |= boundary.strength().is_none();
    }

    /// How freely it is allowed; `None`: it is not, or a Deny takes it away.
    pub(super) fn strength(self) -> Option<Strength> {
        self.allows.filter(|_| !self.takes_away)
    }
}

/// Whether a Deny among the entries always takes the whole service away.
pub(super) fn is_taken_away(entries: &[Entry], service: &str, place: &Place) -> bool {
    entries
        .iter()
        .any(|entry| entry.takes_service_away(service, place))
}

/// Whether a Deny among the entries always takes everything away.
pub(super) fn is_all_taken_away(entries: &[Entry], place: &Place) -> bool {
    let everything = |entry: &Entry| match &entry.actions {
        Actions::Listed(patterns) => patterns.contains(&ActionPattern::Everything),
        Actions::AllBut(_) => false,
    };
    entries
        .iter()
        .any(|entry| everything(entry) && entry.takes_away("", On::Everything, place))
}

/// Whether the pattern stands for every action of the service: those known, and those yet to come.
pub(super) fn is_whole_service(service: &str, action: &Glob, catalogue: &Catalogue) -> bool {
    is_stars(action.as_str())
        || (action.matches(ANY)
            && action.as_str().contains('*')
            && catalogue
                .service(service)
                .is_some_and(|known| known.names().all(|name| action.matches(name))))
}

fn is_stars(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b == b'*')
}

impl Resources {
    fn cover(&self, service: &str, on: On, place: &Place) -> bool {
        match self {
            Self::Listed(patterns) => patterns.iter().any(|pattern| covers(pattern, service, on, place)),
            // What is left out is little, or everything.
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| {
                let on = match on {
                    On::Something => On::Everything,
                    On::All | On::Everything | On::Iam { .. } => on,
                };
                covers(pattern, service, on, place)
            }),
        }
    }
}

/// Whether a pattern of resources stands for all that is wanted.
fn covers(pattern: &str, service: &str, on: On, place: &Place) -> bool {
    if is_stars(pattern) {
        return true;
    }
    let Place { partition, account } = place;
    let probe = |service: &str, rest: &str| format!("arn:{partition}:{service}:{rest}");
    match on {
        On::Something => true,
        On::Everything => {
            let pattern = Glob::new(pattern);
            let far_apart = [
                probe("iam", &format!(":{account}:role/{ANY}")),
                probe("s3", &format!("::{ANY}")),
                probe("ec2", &format!("{ANYWHERE}:{account}:instance/{ANY}")),
            ];
            far_apart.iter().all(|arn| pattern.matches(arn))
        }
        On::All => {
            let pattern = Glob::new(any_region(pattern));
            let forms = [
                format!("::{ANY}"),
                format!(":{account}:{ANY}"),
                format!("{ANYWHERE}:{account}:{ANY}"),
                format!("{ANYWHERE}:{account}:{ANY}/{ANY}"),
                format!("{ANYWHERE}:{account}:function:{ANY}"),
                format!("{ANYWHERE}:{account}:instance/{ANY}"),
                format!("{ANYWHERE}:{account}:stack/{ANY}/{ANY}"),
            ];
            forms.iter().any(|form| pattern.matches(&probe(service, form)))
        }
        On::Iam { kind, own } => {
            let text = match own {
                true => without_variables(pattern),
                false => pattern.to_owned(),
            };
            Glob::new(text).matches(&probe("iam", &format!(":{account}:{kind}/{ANY}")))
        }
    }
}

/// The pattern with a star in place of a named region: all resources of one region are many enough.
fn any_region(pattern: &str) -> String {
    let mut parts: Vec<&str> = pattern.splitn(6, ':').collect();
    if let [_, _, _, region, _, _] = parts.as_mut_slice()
        && !region.is_empty()
    {
        *region = "*";
    }
    parts.join(":")
}

/// The pattern with a star in place of each variable, such as `${aws:username}`.
fn without_variables(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        out.push('*');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            partition: Partition::new("aws"),
            account: AccountId::parse("123456789012").unwrap(),
        }
    }

    fn strength(statements: &str, action: (&str, &str), on: On) -> Option<Strength> {
        let text = format!(r#"{{"Statement":[{statements}]}}"#);
        let entries = Entry::of_document(&PolicyDocument::parse(&text).unwrap()).unwrap();
        Said::by(&entries, action, on, &["lambda.amazonaws.com"], &place()).strength()
    }

    fn on_resource(resource: &str, action: (&str, &str), on: On) -> bool {
        let statement = format!(r#"{{"Effect":"Allow","Action":"*",{resource}}}"#);
        strength(&statement, action, on).is_some()
    }

    const ROLE: On = On::Iam {
        kind: "role",
        own: false,
    };
    const SELF: On = On::Iam {
        kind: "user",
        own: true,
    };

    #[test]
    fn resources_cover_what_they_stand_for() {
        let pass = ("iam", "PassRole");
        for (resource, covered) in [
            (r#""Resource":"*""#, true),
            (r#""Resource":["arn:aws:iam::123456789012:role/*"]"#, true),
            (r#""Resource":"arn:aws:iam::*:role/*""#, true),
            (r#""Resource":"arn:aws:iam::123456789012:role/app-*""#, false),
            (r#""Resource":"arn:aws:iam::999999999999:role/*""#, false),
            (r#""Resource":"arn:aws:iam::123456789012:user/*""#, false),
            (r#""NotResource":"arn:aws:iam::123456789012:role/admin""#, true),
            (r#""NotResource":["arn:aws:iam::*:*"]"#, false),
        ] {
            assert_eq!(on_resource(resource, pass, ROLE), covered, "{resource}");
        }
        let update = ("lambda", "UpdateFunctionCode");
        for (resource, covered) in [
            (r#""Resource":"*""#, true),
            (r#""Resource":"arn:aws:lambda:*:*:*""#, true),
            (
                r#""Resource":"arn:aws:lambda:eu-west-1:123456789012:function:*""#,
                true,
            ),
            (r#""Resource":"arn:aws:lambda:*:*:function:app-*""#, false),
            (r#""Resource":"arn:aws:s3:::*""#, false),
        ] {
            assert_eq!(on_resource(resource, update, On::All), covered, "{resource}");
            assert!(on_resource(resource, update, On::Something));
        }
        for (resource, covered) in [
            (r#""Resource":"arn:aws:*""#, true),
            (r#""Resource":["arn:aws:s3:::*","**"]"#, true),
            (r#""NotResource":"arn:aws:s3:::audit/*""#, true),
            (r#""Resource":"arn:aws:s3:::*""#, false),
            (r#""NotResource":"*""#, false),
        ] {
            assert_eq!(
                on_resource(resource, update, On::Everything),
                covered,
                "{resource}"
            );
        }
    }

    #[test]
    fn a_variable_names_the_caller() {
        let own = r#""Resource":"arn:aws:iam::*:user/${aws:username}""#;
        assert!(on_resource(own, ("iam", "PutUserPolicy"), SELF));
        let others = On::Iam {
            kind: "user",
            own: false,
        };
        assert!(!on_resource(own, ("iam", "CreateAccessKey"), others));
    }

    #[test]
    fn conditions_narrow() {
        let with = |condition: &str| {
            let statement =
                format!(r#"{{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{condition}}}"#);
            strength(&statement, ("iam", "PassRole"), ROLE)
        };
        assert_eq!(
            with(r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#),
            Some(Strength::Conditional)
        );
        assert_eq!(
            with(r#"{"StringEquals":{"iam:PassedToService":["ec2.amazonaws.com","lambda.amazonaws.com"]}}"#),
            Some(Strength::Plain)
        );
        assert_eq!(
            with(r#"{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}"#),
            Some(Strength::Narrowed)
        );
        assert_eq!(
            with(r#"{"ArnLike":{"iam:PermissionsBoundary":"arn:aws:iam::123456789012:policy/b"}}"#),
            Some(Strength::Narrowed)
        );
    }

    #[test]
    fn a_deny_counts_where_it_certainly_takes_everything_away() {
        let allow = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
        let with = |deny: &str| {
            let statements = format!(r#"{allow},{{"Effect":"Deny",{deny}}}"#);
            strength(&statements, ("iam", "PassRole"), ROLE).is_some()
        };
        assert!(!with(r#""Action":"iam:Pass*","Resource":"*""#));
        assert!(!with(r#""NotAction":"s3:*","Resource":"*""#));
        assert!(!with(
            r#""Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/*""#
        ));
        assert!(with(
            r#""Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/admin""#
        ));
        assert!(with(
            r#""Action":"iam:PassRole","NotResource":"arn:aws:iam::*:role/app""#
        ));
        assert!(with(
            r#""Action":"iam:PassRole","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#
        ));
        assert!(with(r#""Action":"s3:*","Resource":"*""#));
    }

    #[test]
    fn a_boundary_takes_away_what_it_does_not_allow() {
        let said = |statement: &str| {
            let text = format!(r#"{{"Statement":[{statement}]}}"#);
            let entries = Entry::of_document(&PolicyDocument::parse(&text).unwrap()).unwrap();
            Said::by(&entries, ("iam", "PassRole"), ROLE, &[], &place())
        };
        let mut everything = said(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#);
        everything.within(said(r#"{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}"#));
        assert!(everything.strength().is_some());
        everything.within(said(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#));
        assert!(everything.strength().is_none());
    }

    #[test]
    fn a_pattern_may_stand_for_a_whole_service() {
        let catalogue = Catalogue::compiled_in();
        for (pattern, whole) in [
            ("*", true),
            ("**", true),
            ("?*", true),
            ("Get*", false),
            ("*Queue*", false),
        ] {
            assert_eq!(
                is_whole_service("sqs", &Glob::new(pattern), catalogue),
                whole,
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_the_grammar_forbids_is_an_error() {
        for statement in [
            r#"{"Effect":"Allow","Action":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"*","NotResource":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":7}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":[]}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":7}"#,
        ] {
            let text = format!(r#"{{"Statement":[{statement}]}}"#);
            let document = PolicyDocument::parse(&text).unwrap();
            assert!(Entry::of_document(&document).is_err(), "{statement}");
        }
    }
}
