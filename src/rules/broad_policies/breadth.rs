//! How broad a document is: what it allows on everything, and which known paths to more permissions it opens.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ActionPattern, Actions, Severity};
use crate::rules::unused_permissions::Catalogue;

use super::access::{Entry, On, Place, Strength, is_all_taken_away, is_taken_away, is_whole_service};
use super::escalation::{Path, Steps};

/// Services whose every action on everything amounts to permissions over permissions.
const GRAVE: [&str; 5] = ["account", "iam", "organizations", "sso", "sts"];

/// What a document allows too much of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Breadth {
    /// Everything on everything, IAM included.
    pub(super) everything: Option<Strength>,
    /// Everything on everything, save these services and single actions.
    pub(super) everything_but: Option<(Strength, BTreeSet<String>)>,
    /// All of these services on all of their resources.
    pub(super) services: BTreeMap<String, Strength>,
    /// Known paths to more permissions.
    pub(super) paths: Vec<(&'static Path, Strength)>,
}

impl Breadth {
    /// Of the statements of a document.
    pub(super) fn of(entries: &[Entry], steps: &Steps, place: &Place, catalogue: &Catalogue) -> Self {
        let mut breadth = Self::default();
        if is_all_taken_away(entries, place) {
            return breadth;
        }
        for entry in entries {
            match &entry.actions {
                Actions::Listed(patterns) => breadth.add_listed(entry, patterns, place, catalogue),
                Actions::AllBut(patterns) => breadth.add_all_but(entry, patterns, place),
            }
        }
        breadth.take_away(entries, place);
        if breadth.everything.is_none() {
            breadth.paths = steps.open_paths();
        }
        breadth
    }

    fn add_listed(
        &mut self,
        entry: &Entry,
        patterns: &[ActionPattern],
        place: &Place,
        catalogue: &Catalogue,
    ) {
        for pattern in patterns {
            match pattern {
                ActionPattern::Everything => {
                    let strength = entry.strength("", On::Everything, &[], place);
                    self.everything = wider(self.everything, strength);
                }
                ActionPattern::Of { service, action } => {
                    if let Some(strength) = entry.strength(service, On::All, &[], place)
                        && is_whole_service(service, action, catalogue)
                    {
                        let known = self.services.get(service).copied();
                        let widest = known.map_or(strength, |known| known.min(strength));
                        self.services.insert(service.clone(), widest);
                    }
                }
            }
        }
    }

    fn add_all_but(&mut self, entry: &Entry, patterns: &[ActionPattern], place: &Place) {
        let mut but = BTreeSet::new();
        for pattern in patterns {
            match pattern {
                // All but everything is nothing.
                ActionPattern::Everything => return,
                ActionPattern::Of { service, action } => {
                    but.insert(format!("{service}:{action}"));
                }
            }
        }
        let Some(strength) = entry.strength("", On::Everything, &[], place) else {
            return;
        };
        match but.contains("iam:*") {
            false => self.everything = wider(self.everything, Some(strength)),
            true => {
                self.everything_but = Some(match self.everything_but.take() {
                    None => (strength, but),
                    // What one statement leaves out, another may allow.
                    Some((known, earlier)) => {
                        (known.min(strength), earlier.intersection(&but).cloned().collect())
                    }
                });
            }
        }
    }

    /// Takes account of Deny statements, and of what is said already by something wider.
    fn take_away(&mut self, entries: &[Entry], place: &Place) {
        let taken = |service: &str| is_taken_away(entries, service, place);
        self.services.retain(|service, _| !taken(service));
        if let (Some((strength, _)), Some(iam)) = (&self.everything_but, self.services.get("iam")) {
            self.everything = wider(self.everything, Some((*strength).max(*iam)));
        }
        if let Some(strength) = self.everything
            && taken("iam")
        {
            self.everything = None;
            self.everything_but = Some((strength, BTreeSet::from(["iam:*".to_owned()])));
        }
        if self.everything.is_some() {
            self.everything_but = None;
        }
        if self.everything.is_some() || self.everything_but.is_some() {
            self.services.clear();
        }
    }

    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            everything,
            everything_but,
            services,
            paths,
        } = self;
        everything.is_none() && everything_but.is_none() && services.is_empty() && paths.is_empty()
    }

    /// How grave it is: everything is critical, everything but IAM, a service that governs permissions or a path to
    /// more is high, any other service is medium; one less under conditions.
    pub(super) fn severity(&self) -> Severity {
        let Self {
            everything,
            everything_but,
            services,
            paths,
        } = self;
        let everything = everything.map(|strength| lowered(Severity::Critical, strength));
        let but = everything_but
            .as_ref()
            .map(|(strength, _)| lowered(Severity::High, *strength));
        let services = services.iter().map(|(service, strength)| {
            let plain = match GRAVE.contains(&service.as_str()) {
                true => Severity::High,
                false => Severity::Medium,
            };
            lowered(plain, *strength)
        });
        let paths = paths
            .iter()
            .map(|(_, strength)| lowered(Severity::High, *strength));
        let all = everything.into_iter().chain(but).chain(services).chain(paths);
        all.max().unwrap_or(Severity::Low)
    }
}

fn wider(one: Option<Strength>, other: Option<Strength>) -> Option<Strength> {
    one.into_iter().chain(other).min()
}

fn lowered(severity: Severity, strength: Strength) -> Severity {
    match (strength, severity) {
        (Strength::Plain, severity) => severity,
        (Strength::Conditional | Strength::Narrowed, Severity::Critical) => Severity::High,
        (Strength::Conditional | Strength::Narrowed, Severity::High) => Severity::Medium,
        (Strength::Conditional | Strength::Narrowed, Severity::Medium | Severity::Low) => Severity::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, Partition, PolicyDocument};

    fn breadth(statements: &str) -> Breadth {
        let place = Place {
            partition: Partition::new("aws"),
            account: AccountId::parse("123456789012").unwrap(),
        };
        let text = format!(r#"{{"Statement":[{statements}]}}"#);
        let entries = Entry::of_document(&PolicyDocument::parse(&text).unwrap()).unwrap();
        let steps = Steps::of(&entries, &place);
        Breadth::of(&entries, &steps, &place, Catalogue::compiled_in())
    }

    fn allow(what: &str) -> String {
        format!(r#"{{"Effect":"Allow",{what}}}"#)
    }

    fn on_all(what: &str) -> Breadth {
        breadth(&allow(&format!(r#"{what},"Resource":"*""#)))
    }

    #[test]
    fn every_form_of_everything_is_found() {
        for statement in [
            r#""Action":"*","Resource":"*""#,
            r#""Action":"*:*","Resource":"*""#,
            r#""Action":["s3:Get*","*"],"Resource":["arn:aws:s3:::x","*"]"#,
            r#""Action":"*","Resource":"arn:aws:*""#,
            r#""Action":"*","NotResource":"arn:aws:s3:::audit""#,
            r#""NotAction":"s3:DeleteBucket","Resource":"*""#,
            r#""NotAction":["iam:CreateUser"],"NotResource":"arn:aws:s3:::audit""#,
        ] {
            let found = breadth(&allow(statement));
            assert_eq!(found.everything, Some(Strength::Plain), "{statement}");
            assert_eq!((found.severity(), found.paths.len()), (Severity::Critical, 0));
        }
        let both = format!(
            "{},{}",
            allow(r#""NotAction":"IAM:*","Resource":"*""#),
            allow(r#""Action":"iam:*","Resource":"*""#)
        );
        assert_eq!(breadth(&both).everything, Some(Strength::Plain));
    }

    #[test]
    fn everything_but_iam_is_less() {
        let power = on_all(r#""NotAction":["iam:*","organizations:*"]"#);
        let but = BTreeSet::from(["iam:*".to_owned(), "organizations:*".to_owned()]);
        assert_eq!(power.everything_but, Some((Strength::Plain, but)));
        assert_eq!(power.severity(), Severity::High);
        assert!(power.services.is_empty() && !power.paths.is_empty());
        let denied = format!(
            r#"{},{{"Effect":"Deny","Action":"iam:*","Resource":"*"}}"#,
            allow(r#""Action":"*","Resource":"*""#)
        );
        assert_eq!(breadth(&denied).severity(), Severity::High);
        assert!(breadth(&denied).everything.is_none());
    }

    #[test]
    fn whole_services_are_found() {
        let found = on_all(r#""Action":["S3:*","sqs:?*","ec2:Describe*"]"#);
        assert_eq!(found.services.keys().collect::<Vec<_>>(), ["s3", "sqs"]);
        assert_eq!(found.severity(), Severity::Medium);
        assert_eq!(on_all(r#""Action":"sts:*""#).severity(), Severity::High);
        let by_arn = breadth(&allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::*""#));
        assert_eq!(by_arn.services.len(), 1);
        let one_bucket = breadth(&allow(
            r#""Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]"#,
        ));
        assert!(one_bucket.is_empty());
        let iam = on_all(r#""Action":"iam:*""#);
        assert_eq!(iam.severity(), Severity::High);
        assert!(
            iam.paths
                .iter()
                .any(|(path, _)| path.name() == "iam:CreatePolicyVersion")
        );
    }

    #[test]
    fn only_a_deny_that_certainly_takes_it_away_counts() {
        let with = |deny: &str| {
            breadth(&format!(
                r#"{},{{"Effect":"Deny",{deny}}}"#,
                allow(r#""Action":"s3:*","Resource":"*""#)
            ))
        };
        assert!(with(r#""Action":"s3:*","Resource":"*""#).is_empty());
        assert!(with(r#""Action":"*","Resource":"*""#).is_empty());
        for deny in [
            r#""Action":"s3:Delete*","Resource":"*""#,
            r#""Action":"s3:*","Resource":"arn:aws:s3:::audit""#,
            r#""Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#,
        ] {
            assert!(!with(deny).is_empty(), "{deny}");
        }
    }

    #[test]
    fn conditions_lower_the_severity() {
        let under = |condition: &str| on_all(&format!(r#""Action":"*","Condition":{condition}"#)).severity();
        assert_eq!(
            under(r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#),
            Severity::High
        );
        assert_eq!(
            under(r#"{"StringEquals":{"aws:ResourceTag/team":"a"}}"#),
            Severity::High
        );
    }

    #[test]
    fn what_is_tidy_is_not_broad() {
        for statement in [
            r#""Action":["s3:GetObject","s3:ListBucket"],"Resource":"*""#,
            r#""Action":["ec2:Describe*","s3:Get*"],"Resource":"*""#,
            r#""NotAction":"*","Resource":"*""#,
            r#""Action":"*","NotResource":"*""#,
            r#""NotAction":"iam:*","Resource":"arn:aws:s3:::b/*""#,
        ] {
            assert!(breadth(&allow(statement)).is_empty(), "{statement}");
        }
        let deny = r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#;
        assert!(breadth(deny).is_empty());
    }
}
