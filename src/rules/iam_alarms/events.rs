//! The events that have to be watched, as data.

use super::pattern::Pattern;
use crate::config::{IamAlarms, WatchedEvent};

/// An event that has to be watched.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    /// By which its filter, metric and alarm are named.
    pub(super) name: String,
    /// What it is, for people.
    pub(super) what: String,
    /// The pattern of the filter that is made.
    pub(super) pattern: String,
    /// The patterns any of which will do, the one above among them.
    pub(super) accepted: Vec<Pattern>,
}

impl Watched {
    /// All that is declared.
    pub(super) fn all(settings: &IamAlarms) -> Vec<Self> {
        let built_in = settings.events.iter().map(|event| {
            let (what, patterns) = built_in(*event);
            Self::of(event.as_str().to_owned(), what.to_owned(), patterns)
        });
        let own = settings.patterns.iter().map(|own| {
            let what = format!("what the pattern {} names", own.name);
            Self::of(own.name.clone(), what, &[own.pattern.as_str()])
        });
        built_in.chain(own).collect()
    }

    fn of(name: String, what: String, patterns: &[&str]) -> Self {
        Self {
            name,
            what,
            pattern: patterns
                .first()
                .map(|pattern| (*pattern).to_owned())
                .unwrap_or_default(),
            accepted: patterns
                .iter()
                .filter_map(|pattern| Pattern::parse(pattern))
                .collect(),
        }
    }
}

/// Meaning, and patterns: the first is put, the others do as well (of other versions of the benchmark, and of AWS
/// Security Hub).
fn built_in(event: WatchedEvent) -> (&'static str, &'static [&'static str]) {
    match event {
        WatchedEvent::IamPolicyChanges => (
            "changes to IAM policies",
            &[
                "{ ($.eventSource = iam.amazonaws.com) && (($.eventName = DeleteGroupPolicy) || ($.eventName = DeleteRolePolicy) \
                 || ($.eventName = DeleteUserPolicy) || ($.eventName = PutGroupPolicy) || ($.eventName = PutRolePolicy) || \
                 ($.eventName = PutUserPolicy) || ($.eventName = CreatePolicy) || ($.eventName = DeletePolicy) || ($.eventName = \
                 CreatePolicyVersion) || ($.eventName = DeletePolicyVersion) || ($.eventName = AttachRolePolicy) || ($.eventName \
                 = DetachRolePolicy) || ($.eventName = AttachUserPolicy) || ($.eventName = DetachUserPolicy) || ($.eventName = \
                 AttachGroupPolicy) || ($.eventName = DetachGroupPolicy)) }",
                "{ ($.eventName = DeleteGroupPolicy) || ($.eventName = DeleteRolePolicy) || ($.eventName = DeleteUserPolicy) || \
                 ($.eventName = PutGroupPolicy) || ($.eventName = PutRolePolicy) || ($.eventName = PutUserPolicy) || ($.eventName \
                 = CreatePolicy) || ($.eventName = DeletePolicy) || ($.eventName = CreatePolicyVersion) || ($.eventName = \
                 DeletePolicyVersion) || ($.eventName = AttachRolePolicy) || ($.eventName = DetachRolePolicy) || ($.eventName = \
                 AttachUserPolicy) || ($.eventName = DetachUserPolicy) || ($.eventName = AttachGroupPolicy) || ($.eventName = \
                 DetachGroupPolicy) }",
            ],
        ),
        WatchedEvent::UnauthorizedCalls => (
            "calls that were denied",
            &[
                r#"{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }"#,
                r#"{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") && ($.sourceIPAddress != "delivery.logs.amazonaws.com") && ($.eventName != "HeadBucket") }"#,
                r#"{ (($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*")) && ($.sourceIPAddress != "delivery.logs.amazonaws.com") && ($.eventName != "HeadBucket") }"#,
            ],
        ),
        WatchedEvent::RootUse => (
            "use of the root user",
            &[
                r#"{ ($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS) && ($.eventType != "AwsServiceEvent") }"#,
            ],
        ),
        WatchedEvent::ConsoleSignInWithoutMfa => (
            "console sign-in without MFA",
            &[
                r#"{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") }"#,
                r#"{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") && ($.userIdentity.type = "IAMUser") && ($.responseElements.ConsoleLogin = "Success") }"#,
            ],
        ),
        WatchedEvent::FailedSignIns => (
            "failed console sign-ins",
            &[r#"{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }"#],
        ),
        WatchedEvent::CloudtrailChanges => (
            "changes to CloudTrail",
            &[
                "{ ($.eventName = CreateTrail) || ($.eventName = UpdateTrail) || ($.eventName = DeleteTrail) || ($.eventName = \
                 StartLogging) || ($.eventName = StopLogging) }",
            ],
        ),
        WatchedEvent::KeyCreation => (
            "new access keys",
            &[
                "{ ($.eventSource = iam.amazonaws.com) && ($.eventName = CreateAccessKey) }",
                "{ $.eventName = CreateAccessKey }",
            ],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_built_in_pattern_can_be_compared_and_put() {
        let settings = Config::built_in().unwrap().rules.iam_alarms;
        assert_eq!(settings.events.len(), 7, "all of them by default");
        for event in &settings.events {
            let (name, (_, patterns)) = (event.as_str(), built_in(*event));
            let watched = Watched::of(name.to_owned(), String::new(), patterns);
            assert_eq!(watched.accepted.len(), patterns.len(), "{name}");
            // What CloudWatch Logs takes.
            assert!(patterns.iter().all(|pattern| pattern.len() <= 1024), "{name}");
        }
    }
}
