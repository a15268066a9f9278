//! Which services, and which tracked actions, a set of policies reaches, as Access Advisor sees it.
//!
//! A service is reached when an Allow statement names one of its actions on a resource that can match, and no Deny
//! statement without conditions covers all of that. Conditions of Allow statements do not count.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{PolicyDocument, Selection, Statement, glob};
use super::services::Catalogue;

/// What one Allow statement gives of one service.
struct Grant<'a> {
    actions: Granted<'a>,
    resources: &'a Selection,
}

enum Granted<'a> {
    Pattern(String),
    AllBut(&'a [String]),
}

impl Granted<'_> {
    fn includes(&self, action: &str) -> bool {
        match self {
            Self::Pattern(pattern) => glob(pattern, action),
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| glob(pattern, action)),
        }
    }
}

/// The services reached, each with those of its tracked actions that are allowed.
pub(crate) fn reached<'a>(
    documents: &[PolicyDocument],
    catalogue: &'a Catalogue,
) -> BTreeMap<&'a str, BTreeSet<String>> {
    let statements = || documents.iter().flat_map(|document| &document.statements);
    let denies: Vec<&Statement> = statements()
        .filter(|statement| !statement.allows && statement.condition.is_none())
        .collect();
    let mut reached = BTreeMap::new();
    for (namespace, service) in catalogue.iter() {
        let grants: Vec<Grant<'_>> = statements()
            .filter(|statement| statement.allows)
            .flat_map(|statement| grants(statement, namespace))
            .filter(|grant| can_match(&grant.actions, grant.resources))
            .filter(|grant| !denies.iter().any(|deny| hides(deny, grant, namespace)))
            .collect();
        if grants.is_empty() {
            continue;
        }
        let allowed = |action: &&String| {
            let full = format!("{namespace}:{action}");
            grants.iter().any(|grant| {
                grant.actions.includes(&full)
                    && !denies
                        .iter()
                        .any(|deny| denies_action(deny, &full) && covers(deny, grant.resources))
            })
        };
        let allowed = service.tracked.iter().filter(allowed).cloned();
        reached.insert(namespace, allowed.collect());
    }
    reached
}

/// What a statement says of the actions of one service.
fn grants<'a>(statement: &'a Statement, namespace: &str) -> Vec<Grant<'a>> {
    let resources = &statement.resources;
    let whole = format!("{namespace}:*");
    match &statement.actions {
        Selection::Only(patterns) => {
            let of_service = |pattern: &&String| {
                let vendor = pattern.split_once(':').map(|(vendor, _)| vendor);
                pattern.as_str() == "*" || vendor.is_some_and(|vendor| vendor.eq_ignore_ascii_case(namespace))
            };
            let grant = |pattern: &String| {
                let pattern = if pattern == "*" {
                    whole.clone()
                } else {
                    pattern.clone()
                };
                Grant {
                    actions: Granted::Pattern(pattern),
                    resources,
                }
            };
            patterns.iter().filter(of_service).map(grant).collect()
        }
        Selection::AllBut(patterns) if patterns.iter().any(|pattern| glob(pattern, &whole)) => Vec::new(),
        Selection::AllBut(patterns) => vec![Grant {
            actions: Granted::AllBut(patterns),
            resources,
        }],
    }
}

/// Actions on objects do not match buckets. Other mismatches are not known here.
fn can_match(actions: &Granted<'_>, resources: &Selection) -> bool {
    let (Granted::Pattern(pattern), Selection::Only(resources)) = (actions, resources) else {
        return true;
    };
    let pattern = pattern.to_lowercase();
    let on_objects = pattern.starts_with("s3:") && pattern.contains("object") && !pattern.contains('*');
    let is_bucket = |resource: &String| resource.contains(":s3:::") && !resource.contains(['/', '*', '?']);
    !on_objects || !resources.iter().all(is_bucket)
}

/// Whether a Deny without conditions takes all of a grant away.
fn hides(deny: &Statement, grant: &Grant<'_>, namespace: &str) -> bool {
    let pattern = match &grant.actions {
        Granted::Pattern(pattern) => pattern.clone(),
        Granted::AllBut(_) => format!("{namespace}:*"),
    };
    denies_action(deny, &pattern) && covers(deny, grant.resources)
}

fn denies_action(deny: &Statement, pattern: &str) -> bool {
    match &deny.actions {
        Selection::Only(denied) => denied.iter().any(|denied| glob(denied, pattern)),
        Selection::AllBut(spared) => !spared
            .iter()
            .any(|spared| glob(spared, pattern) || glob(pattern, spared)),
    }
}

/// Whether the resources of a Deny take in all the resources of a grant.
fn covers(deny: &Statement, granted: &Selection) -> bool {
    match (&deny.resources, granted) {
        (Selection::Only(denied), Selection::Only(granted)) => granted
            .iter()
            .all(|granted| denied.iter().any(|denied| glob(denied, granted))),
        (Selection::Only(denied), Selection::AllBut(_)) => denied.iter().any(|denied| denied == "*"),
        (Selection::AllBut(_), Selection::Only(_) | Selection::AllBut(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::Purpose;

    fn services(statements: &[&str]) -> Vec<String> {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            statements.join(",")
        );
        let documents: Vec<_> = PolicyDocument::parse(&text, Purpose::Identity)
            .into_iter()
            .collect();
        reached(&documents, &Catalogue::with([]))
            .into_keys()
            .map(str::to_owned)
            .collect()
    }

    fn statement(effect: &str, action: &str, resource: &str) -> String {
        format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}"#)
    }

    #[test]
    fn allow_statements_reach_their_services_whatever_the_capitals() {
        assert_eq!(services(&[&statement("Allow", "SQS:*", "*")]), ["sqs"]);
        assert_eq!(
            services(&[
                &statement("Allow", "s3:Get*", "*"),
                &statement("Allow", "iam:passrole", "*")
            ]),
            ["iam", "s3"]
        );
        assert!(services(&[&statement("Allow", "*", "*")]).len() > 70);
        assert!(services(&[&statement("Deny", "s3:*", "*")]).is_empty());
        assert!(services(&[&statement("Allow", "nosuch:*", "*")]).is_empty());
    }

    #[test]
    fn an_unconditional_full_deny_hides_a_service() {
        let allow = statement("Allow", "sqs:*", "*");
        assert!(services(&[&allow, &statement("Deny", "sqs:*", "*")]).is_empty());
        assert!(services(&[&allow, &statement("Deny", "*", "*")]).is_empty());
        let deny_not = r#"{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}"#;
        assert!(services(&[&allow, deny_not]).is_empty());
    }

    #[test]
    fn a_partial_deny_does_not() {
        let allow = statement("Allow", "sqs:*", "*");
        assert_eq!(services(&[&allow, &statement("Deny", "sqs:Send*", "*")]), ["sqs"]);
        assert_eq!(
            services(&[&allow, &statement("Deny", "sqs:*", "arn:aws:sqs:*:*:one")]),
            ["sqs"]
        );
        let conditional = r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
        assert_eq!(services(&[&allow, conditional]), ["sqs"]);
    }

    #[test]
    fn not_action_reaches_all_but_what_it_names_in_full() {
        let found = services(&[r#"{"Effect":"Allow","NotAction":["iam:*","s3:Get*"],"Resource":"*"}"#]);
        assert!(found.contains(&"s3".to_owned()));
        assert!(!found.contains(&"iam".to_owned()));
    }

    #[test]
    fn an_object_action_on_a_bucket_cannot_match() {
        assert!(services(&[&statement("Allow", "s3:GetObject", "arn:aws:s3:::bucket")]).is_empty());
        assert_eq!(
            services(&[&statement("Allow", "s3:GetObject", "arn:aws:s3:::bucket/*")]),
            ["s3"]
        );
    }

    #[test]
    fn tracked_actions_are_those_allowed() {
        let text =
            r#"{"Statement":[{"Effect":"Allow","Action":["iam:GetUser","iam:PassRole"],"Resource":"*"}]}"#;
        let documents: Vec<_> = PolicyDocument::parse(text, Purpose::Identity)
            .into_iter()
            .collect();
        let catalogue = Catalogue::with([]);
        let found = reached(&documents, &catalogue);
        assert_eq!(found.get("iam"), Some(&BTreeSet::from(["GetUser".to_owned()])));
    }
}
