//! Whether one identity policy allows what another does not: proven, refuted by an example, or not known.
//!
//! A statement is proven to allow nothing new when each of its actions on each of its resources is allowed by one
//! statement of the other policy whose conditions do not ask for more, and all Deny statements that touch it are still
//! there. It is refuted by a made-up action on a made-up resource that it allows and that the other policy does not.

use super::document::{PolicyDocument, Selection, Statement, exact_glob, glob};

/// What a policy allows that the other one did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NewAccess {
    /// Nothing.
    None,
    /// Something, by the statements with these indices.
    In(Vec<usize>),
    /// It cannot be told, and why.
    Unknown(String),
}

/// What `new` allows that `existing` does not.
pub(crate) fn new_access(existing: &PolicyDocument, new: &PolicyDocument) -> NewAccess {
    let all = || existing.statements.iter().chain(&new.statements);
    let escaped = |resource: &String| {
        ["${*}", "${?}", "${$}"]
            .iter()
            .any(|escape| resource.contains(escape))
    };
    if all().any(|statement| statement.resources.patterns().iter().any(escaped)) {
        return NewAccess::Unknown("Escaped characters in resources are not compared here.".to_owned());
    }
    let comparison = Comparison { existing, new };
    let (mut found, mut unknown) = (Vec::new(), None);
    for (index, statement) in new.statements.iter().enumerate().filter(|(_, one)| one.allows) {
        match comparison.judge(statement) {
            Verdict::Nothing => {}
            Verdict::Something => found.push(index),
            Verdict::Unknown => unknown = unknown.or(Some(index)),
        }
    }
    match unknown {
        _ if !found.is_empty() => NewAccess::In(found),
        Some(index) => NewAccess::Unknown(format!("Statement {index} cannot be compared here.")),
        None => NewAccess::None,
    }
}

enum Verdict {
    Nothing,
    Something,
    Unknown,
}

struct Comparison<'a> {
    existing: &'a PolicyDocument,
    new: &'a PolicyDocument,
}

impl Comparison<'_> {
    fn judge(&self, statement: &Statement) -> Verdict {
        let mut unknown = false;
        for unit in units(statement) {
            let covered = allows(self.existing).any(|other| within(&unit, other));
            match if covered {
                Verdict::Nothing
            } else {
                self.refute(&unit)
            } {
                Verdict::Nothing => {}
                Verdict::Something => return Verdict::Something,
                Verdict::Unknown => unknown = true,
            }
        }
        let lost = denies(self.existing).filter(|deny| !denies(self.new).any(|kept| within(deny, kept)));
        for deny in lost.filter(|deny| touches(deny, statement)) {
            if self.was_denied(deny, statement) {
                return Verdict::Something;
            }
            unknown = true;
        }
        if unknown {
            Verdict::Unknown
        } else {
            Verdict::Nothing
        }
    }

    /// Looks for an example of what is allowed now and was not before.
    fn refute(&self, unit: &Statement) -> Verdict {
        let Some(example) = Example::of(unit).filter(|example| self.is_not_denied_now(example)) else {
            return Verdict::Unknown;
        };
        let mut before = allows(self.existing)
            .filter(|other| example.may_match(other))
            .peekable();
        if before.peek().is_none() {
            return Verdict::Something;
        }
        // Before on a condition only, and now on none.
        if unit.condition.is_none() && before.all(|other| other.condition.is_some()) {
            return Verdict::Something;
        }
        Verdict::Unknown
    }

    /// Whether there is an example of what the statement allows and the lost Deny kept from being allowed.
    fn was_denied(&self, deny: &Statement, statement: &Statement) -> bool {
        let examples = units(deny).into_iter().chain(units(statement));
        statement.condition.is_none()
            && examples.filter_map(|unit| Example::of(&unit)).any(|example| {
                example.matches(deny) && example.matches(statement) && self.is_not_denied_now(&example)
            })
    }

    fn is_not_denied_now(&self, example: &Example) -> bool {
        !denies(self.new).any(|deny| example.may_match(deny))
    }
}

fn allows(document: &PolicyDocument) -> impl Iterator<Item = &Statement> {
    document.statements.iter().filter(|statement| statement.allows)
}

fn denies(document: &PolicyDocument) -> impl Iterator<Item = &Statement> {
    document.statements.iter().filter(|statement| !statement.allows)
}

/// The statement in parts of one action and one resource each, as far as it lists them.
fn units(statement: &Statement) -> Vec<Statement> {
    let parts = |selection: &Selection| match selection {
        Selection::Only(patterns) => patterns
            .iter()
            .map(|one| Selection::Only(vec![one.clone()]))
            .collect(),
        Selection::AllBut(_) => vec![selection.clone()],
    };
    let resources = parts(&statement.resources);
    let unit = |actions: Selection| {
        resources.iter().map(move |resources| Statement {
            actions: actions.clone(),
            resources: resources.clone(),
            ..statement.clone()
        })
    };
    parts(&statement.actions).into_iter().flat_map(unit).collect()
}

/// Whether `outer` applies wherever `inner` does.
fn within(inner: &Statement, outer: &Statement) -> bool {
    selects(&inner.actions, &outer.actions, glob)
        && selects(&inner.resources, &outer.resources, exact_glob)
        && (outer.condition.is_none() || outer.condition == inner.condition)
}

fn selects(inner: &Selection, outer: &Selection, covers: fn(&str, &str) -> bool) -> bool {
    match (inner, outer) {
        (Selection::Only(inner), Selection::Only(outer)) => inner
            .iter()
            .all(|inner| outer.iter().any(|outer| covers(outer, inner))),
        (Selection::Only(inner), Selection::AllBut(outer)) => inner
            .iter()
            .all(|inner| !outer.iter().any(|outer| overlap(inner, outer))),
        (Selection::AllBut(inner), Selection::AllBut(outer)) => outer
            .iter()
            .all(|outer| inner.iter().any(|inner| covers(inner, outer))),
        (Selection::AllBut(_), Selection::Only(outer)) => outer.iter().any(|outer| outer == "*"),
    }
}

/// Whether there may be a call that both statements are about.
fn touches(one: &Statement, other: &Statement) -> bool {
    meet(&one.actions, &other.actions) && meet(&one.resources, &other.resources)
}

fn meet(one: &Selection, other: &Selection) -> bool {
    match (one, other) {
        (Selection::Only(one), Selection::Only(other)) => one
            .iter()
            .any(|one| other.iter().any(|other| overlap(one, other))),
        (Selection::Only(only), Selection::AllBut(all_but))
        | (Selection::AllBut(all_but), Selection::Only(only)) => only
            .iter()
            .any(|one| !all_but.iter().any(|out| exact_glob(out, one))),
        (Selection::AllBut(_), Selection::AllBut(_)) => true,
    }
}

/// Whether two patterns may match the same text, whatever their capitals and their variables.
fn overlap(one: &str, other: &str) -> bool {
    exact_overlap(&one.to_lowercase(), &other.to_lowercase())
}

/// The same where capitals count.
fn exact_overlap(one: &str, other: &str) -> bool {
    let letters = |pattern: &str| loosened(pattern).chars().collect::<Vec<_>>();
    let (one, other) = (letters(one), letters(other));
    // Whether the rest of `one` from i and the rest of `other` from j may match the same text, from the ends on.
    let mut below = vec![false; other.len() + 1];
    for i in (0..=one.len()).rev() {
        let mut row = vec![false; other.len() + 1];
        for j in (0..=other.len()).rev() {
            let (first, second) = (one.get(i), other.get(j));
            row[j] = match (first, second) {
                (None, None) => true,
                (Some('*'), _) => below[j] || (second.is_some() && row[j + 1]),
                (_, Some('*')) => row[j + 1] || (first.is_some() && below[j]),
                (Some(a), Some(b)) => (a == b || *a == '?' || *b == '?') && below[j + 1],
                (Some(_), None) | (None, Some(_)) => false,
            };
        }
        below = row;
    }
    below[0]
}

/// A pattern with `*` in place of its variables.
fn loosened(pattern: &str) -> String {
    let mut loose = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        loose.push_str(before);
        loose.push('*');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    loose + rest
}

/// A made-up call: nobody names an action or a resource like this.
struct Example {
    action: String,
    resource: String,
}

impl Example {
    /// A call that a statement of one action and one resource is about.
    fn of(unit: &Statement) -> Option<Self> {
        let example = Self {
            action: made_up(&unit.actions, "zq7x:Zq7x"),
            resource: made_up(&unit.resources, "arn:aws:zq7x::000000000000:Zq7x"),
        };
        example.matches(unit).then_some(example)
    }

    fn matches(&self, statement: &Statement) -> bool {
        includes(&statement.actions, |pattern| glob(pattern, &self.action))
            && includes(&statement.resources, |pattern| {
                exact_glob(pattern, &self.resource)
            })
    }

    /// Whether the statement is about this call, whatever its variables stand for.
    fn may_match(&self, statement: &Statement) -> bool {
        let actions = includes(&statement.actions, |pattern| glob(pattern, &self.action));
        let resources = match &statement.resources {
            Selection::Only(patterns) => patterns
                .iter()
                .any(|pattern| exact_overlap(pattern, &self.resource)),
            Selection::AllBut(_) => includes(&statement.resources, |pattern| {
                exact_glob(pattern, &self.resource)
            }),
        };
        actions && resources
    }
}

fn includes(selection: &Selection, matches: impl Fn(&str) -> bool) -> bool {
    match selection {
        Selection::Only(patterns) => patterns.iter().any(|pattern| matches(pattern)),
        Selection::AllBut(patterns) => !patterns.iter().any(|pattern| matches(pattern)),
    }
}

fn made_up(selection: &Selection, anything: &str) -> String {
    match selection {
        Selection::Only(patterns) if patterns.iter().all(|pattern| pattern != "*") => {
            let pattern = patterns.first().map_or("", String::as_str);
            pattern.replace('*', "Zq7x").replace('?', "Z")
        }
        Selection::Only(_) | Selection::AllBut(_) => anything.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::Purpose;

    fn compare(existing: &str, new: &str) -> NewAccess {
        let read = |statements: &str| {
            let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
            PolicyDocument::parse(&text, Purpose::Identity).unwrap()
        };
        new_access(&read(existing), &read(new))
    }

    fn statement(effect: &str, action: &str, resource: &str) -> String {
        format!(r#"{{"Effect":"{effect}","Action":{action},"Resource":"{resource}"}}"#)
    }

    fn allow(action: &str, resource: &str) -> String {
        statement("Allow", action, resource)
    }

    fn deny(action: &str, resource: &str) -> String {
        statement("Deny", action, resource)
    }

    const ALL_S3: &str = r#""s3:*""#;
    const TLS: &str = r#""Condition":{"Bool":{"aws:SecureTransport":"true"}}"#;
    const MFA: &str = r#""Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#;

    fn conditional(action: &str, condition: &str) -> String {
        format!(r#"{{"Effect":"Allow","Action":{action},"Resource":"*",{condition}}}"#)
    }

    #[test]
    fn narrower_policies_allow_nothing_new() {
        let two = allow(r#"["s3:*","sqs:Send*"]"#, "*");
        for new in [
            two.clone(),
            allow(r#"["S3:getObject","sqs:SendMessage"]"#, "arn:aws:s3:::bucket/*"),
            format!("{},{}", allow(ALL_S3, "*"), deny(r#""s3:Put*""#, "*")),
            conditional(ALL_S3, TLS),
            deny(r#""iam:*""#, "*"),
        ] {
            assert_eq!(compare(&two, &new), NewAccess::None, "{new}");
        }
        let spread = format!("{},{}", allow(ALL_S3, "*"), allow(r#""sqs:*""#, "*"));
        assert_eq!(
            compare(&spread, &allow(r#"["s3:*","sqs:*"]"#, "*")),
            NewAccess::None
        );
        assert_eq!(compare(&allow(r#""*""#, "*"), &spread), NewAccess::None);
    }

    #[test]
    fn wider_policies_are_found_out() {
        let read = allow(r#""s3:Get*""#, "arn:aws:s3:::bucket/*");
        for new in [
            allow(ALL_S3, "arn:aws:s3:::bucket/*"),
            allow(r#""s3:Get*""#, "*"),
            allow(r#""s3:Get*""#, "arn:aws:s3:::Bucket/*"),
            allow(r#"["s3:GetObject","sqs:SendMessage"]"#, "arn:aws:s3:::bucket/*"),
            allow(r#""*""#, "*"),
        ] {
            assert_eq!(compare(&read, &new), NewAccess::In(vec![0]), "{new}");
        }
        let second = format!("{read},{}", allow(r#""iam:PassRole""#, "*"));
        assert_eq!(compare(&read, &second), NewAccess::In(vec![1]));
        assert_eq!(
            compare(&conditional(ALL_S3, TLS), &allow(ALL_S3, "*")),
            NewAccess::In(vec![0])
        );
    }

    #[test]
    fn a_deny_that_goes_allows_what_it_denied() {
        let all = allow(ALL_S3, "*");
        let denied = format!("{all},{}", deny(r#""s3:Put*""#, "*"));
        assert_eq!(compare(&denied, &all), NewAccess::In(vec![0]));
        assert_eq!(
            compare(&denied, &format!("{all},{}", deny(r#""s3:P*""#, "*"))),
            NewAccess::None
        );
        let elsewhere = format!("{all},{}", deny(r#""sqs:*""#, "*"));
        assert_eq!(
            compare(&elsewhere, &all),
            NewAccess::None,
            "it touches nothing that is allowed"
        );
        let narrower = allow(r#""s3:Get*""#, "*");
        assert_eq!(compare(&denied, &narrower), NewAccess::None);
        let variable = format!("{all},{}", deny(r#""s3:Put*""#, "arn:aws:s3:::${aws:username}/*"));
        let to_bob = allow(r#""s3:PutObject""#, "arn:aws:s3:::bob/*");
        assert!(matches!(compare(&variable, &to_bob), NewAccess::Unknown(_)));
    }

    #[test]
    fn what_cannot_be_told_is_said_to_be_so() {
        assert!(matches!(
            compare(&conditional(ALL_S3, TLS), &conditional(ALL_S3, MFA)),
            NewAccess::Unknown(_)
        ));
        assert!(matches!(
            compare(
                &allow(ALL_S3, "arn:aws:s3:::${*}"),
                &allow(ALL_S3, "arn:aws:s3:::a")
            ),
            NewAccess::Unknown(_)
        ));
        let new = format!("{},{}", allow(r#""sqs:*""#, "*"), deny(r#""*""#, "*"));
        assert!(matches!(
            compare(&allow(ALL_S3, "*"), &new),
            NewAccess::Unknown(_)
        ));
    }

    #[test]
    fn statements_about_all_but_something_are_compared() {
        let all_but = |action: &str| format!(r#"{{"Effect":"Allow","NotAction":{action},"Resource":"*"}}"#);
        let but_iam = all_but(r#""iam:*""#);
        assert_eq!(compare(&but_iam, &allow(ALL_S3, "*")), NewAccess::None);
        assert_eq!(
            compare(&but_iam, &allow(r#""iam:GetUser""#, "*")),
            NewAccess::In(vec![0])
        );
        assert_eq!(
            compare(&but_iam, &all_but(r#"["iam:*","s3:*"]"#)),
            NewAccess::None
        );
        assert_eq!(compare(&allow(ALL_S3, "*"), &but_iam), NewAccess::In(vec![0]));
        assert!(!matches!(
            compare(&all_but(r#"["iam:*","s3:*"]"#), &but_iam),
            NewAccess::None
        ));
    }

    #[test]
    fn patterns_overlap_when_a_text_fits_both() {
        for (one, other) in [
            ("s3:*", "*:Get*"),
            ("a?c", "*b*"),
            ("a*", "*z"),
            ("${x}/a", "bob/*"),
            ("A", "a"),
        ] {
            assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
        }
        for (one, other) in [("s3:*", "sqs:*"), ("a?", "a"), ("a*z", "b*"), ("", "a")] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} {other}");
        }
        assert!(overlap("", "*"));
    }
}
