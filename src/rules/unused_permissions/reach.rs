//! What a policy document reaches: which services any of its Allow statements grants something of.
//!
//! `Resource`, `NotResource` and `Condition` are not looked at: Access Advisor does not see them, and none of them
//! may make a policy look less used (D6).

use std::collections::BTreeSet;

use crate::model::{ActionPattern, Actions, PolicyDocument, PolicyDocumentError};

use super::catalogue::{AccessLevel, Catalogue, is_every_action};

/// What a document grants, as far as the use of services can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rules) struct Reach {
    /// Services that a listed action names, in lower case.
    listed: BTreeSet<String>,
    /// Some statement reaches every service but these: `*`, or `NotAction`.
    everything_but: Option<BTreeSet<String>>,
    /// Patterns that stand for nothing the catalogue knows.
    pub(in crate::rules) not_in_catalogue: BTreeSet<String>,
    /// Whether any statement restricts.
    pub(in crate::rules) denies: bool,
    /// Whether any statement grants.
    pub(in crate::rules) allows: bool,
    /// Whether `iam:PassRole` is all that it grants.
    pub(in crate::rules) only_passes_roles: bool,
    /// The gravest kind of action granted.
    pub(in crate::rules) level: AccessLevel,
    /// Whether it grants changes to IAM itself.
    pub(in crate::rules) administers_iam: bool,
    granting: Vec<Actions>,
}

impl Reach {
    /// Of a decoded document.
    ///
    /// # Errors
    /// Where the document cannot be parsed, nobody knows what it reaches.
    pub(in crate::rules) fn of_document(
        text: &str,
        catalogue: &Catalogue,
    ) -> Result<Self, PolicyDocumentError> {
        let document = PolicyDocument::parse(text)?;
        // Such statements stand in policies of resources and roles; in one of an identity they mean nothing known.
        let of_identity = |key: &str| !["Principal", "NotPrincipal"].contains(&key);
        let mut elements = document
            .statements
            .iter()
            .flat_map(|statement| statement.rest.keys());
        if !elements.all(|key| of_identity(key)) {
            let why = "a statement of an identity's policy names a principal".to_owned();
            return Err(PolicyDocumentError::Grammar(why));
        }
        Ok(Self::of(&document, catalogue))
    }

    /// Of a parsed document.
    pub(in crate::rules) fn of(document: &PolicyDocument, catalogue: &Catalogue) -> Self {
        let mut reach = Self {
            listed: BTreeSet::new(),
            everything_but: None,
            not_in_catalogue: BTreeSet::new(),
            denies: document.has_deny(),
            allows: document.allows().next().is_some(),
            only_passes_roles: only_passes_roles(document, catalogue),
            level: AccessLevel::Read,
            administers_iam: false,
            granting: document
                .allows()
                .map(|statement| statement.actions.clone())
                .collect(),
        };
        for statement in document.allows() {
            match &statement.actions {
                Actions::Listed(patterns) => reach.add_listed(patterns, catalogue),
                Actions::AllBut(patterns) => reach.add_all_but(patterns, catalogue),
            }
        }
        reach
    }

    fn add_listed(&mut self, patterns: &[ActionPattern], catalogue: &Catalogue) {
        for pattern in patterns {
            match pattern {
                ActionPattern::Everything => self.add_everything_but(BTreeSet::new()),
                ActionPattern::Of { service, action } => {
                    self.listed.insert(service.clone());
                    match catalogue
                        .service(service)
                        .and_then(|known| known.level_of(action))
                    {
                        Some(level) => {
                            self.level = self.level.max(level);
                            self.administers_iam |= service == "iam" && level == AccessLevel::Permissions;
                        }
                        None => {
                            self.not_in_catalogue.insert(format!("{service}:{action}"));
                        }
                    }
                }
            }
        }
    }

    fn add_all_but(&mut self, patterns: &[ActionPattern], catalogue: &Catalogue) {
        let mut excluded = BTreeSet::new();
        for pattern in patterns {
            match pattern {
                // All but everything is nothing.
                ActionPattern::Everything => return,
                ActionPattern::Of { service, action } => {
                    if catalogue
                        .service(service)
                        .and_then(|known| known.level_of(action))
                        .is_none()
                    {
                        self.not_in_catalogue.insert(format!("{service}:{action}"));
                    }
                    if is_every_action(action) {
                        excluded.insert(service.clone());
                    }
                }
            }
        }
        self.add_everything_but(excluded);
    }

    fn add_everything_but(&mut self, excluded: BTreeSet<String>) {
        self.level = AccessLevel::Permissions;
        self.administers_iam |= !excluded.contains("iam");
        self.everything_but = Some(match self.everything_but.take() {
            None => excluded,
            // What one statement leaves out, another may reach.
            Some(earlier) => earlier.intersection(&excluded).cloned().collect(),
        });
    }

    /// Whether it grants anything of this service (prefix in lower case).
    pub(in crate::rules) fn reaches(&self, service: &str) -> bool {
        self.listed.contains(service)
            || self
                .everything_but
                .as_ref()
                .is_some_and(|but| !but.contains(service))
    }

    /// Whether it reaches services that it does not name.
    pub(in crate::rules) fn is_open_ended(&self) -> bool {
        self.everything_but.is_some()
    }

    /// Every service reached, as far as the catalogue can enumerate them.
    pub(in crate::rules) fn services(&self, catalogue: &Catalogue) -> BTreeSet<String> {
        let mut services = self.listed.clone();
        if let Some(but) = &self.everything_but {
            let others = catalogue.prefixes().filter(|prefix| !but.contains(*prefix));
            services.extend(others.map(str::to_owned));
        }
        services
    }

    /// Whether any Allow statement grants this action, given as `service:Action`.
    pub(in crate::rules) fn grants(&self, action: &str) -> bool {
        let Some((service, name)) = action.split_once(':') else {
            return false;
        };
        self.granting.iter().any(|actions| actions.include(service, name))
    }

    /// Whether it grants `iam:PassRole`, by name or by a wildcard.
    pub(super) fn passes_roles(&self) -> bool {
        self.grants("iam:PassRole")
    }
}

fn only_passes_roles(document: &PolicyDocument, catalogue: &Catalogue) -> bool {
    let mut patterns = document.allows().flat_map(|statement| match &statement.actions {
        Actions::Listed(patterns) => patterns.iter().map(Some).collect::<Vec<_>>(),
        Actions::AllBut(_) => vec![None],
    });
    let only = |pattern: Option<&ActionPattern>| match pattern {
        Some(ActionPattern::Of { service, action }) => {
            service == "iam"
                && catalogue
                    .service("iam")
                    .is_some_and(|iam| iam.is_only(action, "PassRole"))
        }
        Some(ActionPattern::Everything) | None => false,
    };
    document.allows().next().is_some() && patterns.all(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(statement: &str) -> Reach {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        Reach::of_document(&text, Catalogue::compiled_in()).unwrap()
    }

    fn allow(actions: &str) -> Reach {
        reach(&format!(
            r#"{{"Effect":"Allow","Action":{actions},"Resource":"*"}}"#
        ))
    }

    fn allow_all_but(actions: &str) -> Reach {
        reach(&format!(
            r#"{{"Effect":"Allow","NotAction":{actions},"Resource":"*"}}"#
        ))
    }

    #[test]
    fn listed_actions_reach_their_services() {
        let reach = allow(r#"["sqs:SendMessage","S3:Get*"]"#);
        assert!(reach.reaches("sqs") && reach.reaches("s3") && !reach.reaches("ec2"));
        assert_eq!(reach.services(Catalogue::compiled_in()).len(), 2);
        assert!(reach.grants("s3:getobject") && !reach.grants("s3:PutObject"));
        assert_eq!(reach.level, AccessLevel::Write);
        assert!(reach.not_in_catalogue.is_empty());
    }

    #[test]
    fn denied_actions_reach_nothing() {
        let reach = reach(r#"{"Effect":"Deny","Action":"sqs:*","Resource":"*"}"#);
        assert!(reach.denies && !reach.allows && !reach.reaches("sqs"));
    }

    #[test]
    fn what_not_action_leaves_out_is_out_only_in_full() {
        let reach = allow_all_but(r#"["iam:*","s3:Get*"]"#);
        assert!(!reach.reaches("iam") && reach.reaches("s3") && reach.reaches("never-heard-of"));
        assert!(!allow_all_but(r#""*""#).reaches("s3"));
    }

    #[test]
    fn two_open_statements_reach_the_union() {
        let both = reach(
            r#"{"Effect":"Allow","NotAction":["iam:*","s3:*"],"Resource":"*"},
               {"Effect":"Allow","NotAction":["iam:*","sqs:*"],"Resource":"*"}"#,
        );
        assert!(!both.reaches("iam") && both.reaches("s3") && both.reaches("sqs"));
    }

    #[test]
    fn passing_roles() {
        assert!(allow(r#""iam:passrole""#).only_passes_roles);
        assert!(allow(r#"["iam:PassRol?","iam:PassRole"]"#).only_passes_roles);
        assert!(!allow(r#"["iam:PassRole","sqs:*"]"#).only_passes_roles);
        assert!(allow(r#""iam:P*""#).passes_roles() && !allow(r#""iam:P*""#).only_passes_roles);
        assert!(allow_all_but(r#""s3:*""#).passes_roles());
        assert!(!allow_all_but(r#""iam:Pass*""#).passes_roles());
    }
}
