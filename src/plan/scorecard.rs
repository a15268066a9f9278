//! How an account stands against the practices of AWS's guide "Security best practices in IAM", and against the
//! recommendations on IAM, logging and monitoring of the CIS AWS Foundations Benchmark v3.0.0.
//!
//! What no rule looks at, what is off, and what is declared more loosely than the benchmark asks is not evaluated, and
//! said so: a score must not look better than what is known.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{Config, Mode};
use crate::model::{Finding, FindingStatus, RuleName, Span};
use crate::rules::{CONTROLS_FACT, Practice, REGISTRY, Rule};

/// The standing of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scorecard {
    /// By practice, in the order of the guide.
    pub practices: Vec<Score>,
    /// By recommendation, in the order of the benchmark.
    pub controls: Vec<Score>,
}

/// One line of a scorecard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The number of the recommendation; of a practice, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What is asked for.
    pub title: String,
    /// How it stands.
    pub mark: Mark,
    /// How many findings say so.
    pub findings: usize,
    /// Which rules look at it.
    pub rules: Vec<RuleName>,
    /// Why it is not evaluated, or what else there is to know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// How a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Looked at, and nothing found against it.
    Pass,
    /// Something offends.
    Fail,
    /// Something could not be read, and nothing that could be offends.
    Unknown,
    /// Nobody looked.
    NotEvaluated,
}

impl Mark {
    /// Every mark, in the order of reading.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Fail, Self::Unknown, Self::NotEvaluated];

    /// The words for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::NotEvaluated => "not evaluated",
        }
    }
}

/// A recommendation of the benchmark.
struct Control {
    number: &'static str,
    title: &'static str,
    answer: Option<Answer>,
}

/// How a rule answers a recommendation.
struct Answer {
    rule: &'static str,
    /// Why the rule, as declared, asks for less than the benchmark; `None`: it asks for as much.
    looser: fn(&Config) -> Option<String>,
}

const fn by(rule: &'static str) -> Option<Answer> {
    Some(Answer {
        rule,
        looser: |_| None,
    })
}

const fn by_at_least(rule: &'static str, looser: fn(&Config) -> Option<String>) -> Option<Answer> {
    Some(Answer { rule, looser })
}

fn longer(declared: Span, most: Span, what: &str) -> Option<String> {
    (declared > most).then(|| format!("{what} is {declared}, the benchmark asks for {most} or less"))
}

macro_rules! controls {
    ($($number:literal $title:literal $answer:expr;)*) => {
        &[$(Control { number: $number, title: $title, answer: $answer }),*]
    };
}

/// Sections 1 (identity and access management), 3 (logging) and 4 (monitoring), titles shortened.
const CONTROLS: &[Control] = controls! {
    "1.1" "contact details are current" None;
    "1.2" "a security contact is registered" None;
    "1.3" "security questions are registered" None;
    "1.4" "root has no access key" by("root_account");
    "1.5" "root has MFA" by("root_account");
    "1.6" "root has hardware MFA" by_at_least("root_account", |config| {
        let declared = config.rules.root_account.require_hardware;
        (!declared).then(|| "require_hardware = true is not declared".to_owned())
    });
    "1.7" "root is not used for daily work" by("root_account");
    "1.8" "passwords have 14 characters or more" by_at_least("password_policy", |config| {
        let declared = config.rules.password_policy.minimum_length;
        (declared.unwrap_or(0) < 14).then(|| "minimum_length of 14 or more is not declared".to_owned())
    });
    "1.9" "passwords are not reused" by_at_least("password_policy", |config| {
        let declared = config.rules.password_policy.reuse_prevention;
        (declared.unwrap_or(0) < 24).then(|| "reuse_prevention = 24 is not declared".to_owned())
    });
    "1.10" "console users have MFA" by("user_mfa");
    "1.11" "console users get no access key at their creation" None;
    "1.12" "credentials unused for 45 days are disabled" by_at_least("unused_access_keys", |config| {
        longer(config.rules.unused_access_keys.unused_for, Span::from_days(45), "unused_for")
    });
    "1.13" "a user has one active access key at most" None;
    "1.14" "access keys are rotated every 90 days" by_at_least("access_key_rotation", |config| {
        longer(config.rules.access_key_rotation.max_age, Span::from_days(90), "max_age")
    });
    "1.15" "users get permissions through groups only" by_at_least("broad_policies", |config| {
        let allowed = config.rules.broad_policies.allow_attached_to_users;
        allowed.then(|| "allow_attached_to_users is declared".to_owned())
    });
    "1.16" "no policy allows everything on everything" by("broad_policies");
    "1.17" "a support role exists" None;
    "1.18" "instances use roles" by("instance_roles");
    "1.19" "expired server certificates are removed" None;
    "1.20" "Access Analyzer is on in every region" by("access_analyzer");
    "1.21" "users are managed centrally" None;
    "1.22" "AWSCloudShellFullAccess is restricted" by("broad_policies");
    "3.1" "CloudTrail is on in every region" by("cloudtrail");
    "3.2" "log files are validated" by("cloudtrail");
    "3.3" "AWS Config is on in every region" None;
    "3.4" "access to the log bucket is logged" None;
    "3.5" "logs are encrypted with KMS keys" None;
    "3.6" "KMS keys are rotated" None;
    "3.7" "VPC flow logs are on" None;
    "3.8" "writes to objects are logged" None;
    "3.9" "reads of objects are logged" None;
    "4.1" "alarm on unauthorized calls" by("iam_alarms");
    "4.2" "alarm on sign-in without MFA" by("iam_alarms");
    "4.3" "alarm on use of root" by("iam_alarms");
    "4.4" "alarm on changes of IAM policies" by("iam_alarms");
    "4.5" "alarm on changes of CloudTrail" by("iam_alarms");
    "4.6" "alarm on failed sign-ins" by("iam_alarms");
    "4.7" "alarm on disabled KMS keys" None;
    "4.8" "alarm on changes of bucket policies" None;
    "4.9" "alarm on changes of AWS Config" None;
    "4.10" "alarm on changes of security groups" None;
    "4.11" "alarm on changes of network ACLs" None;
    "4.12" "alarm on changes of gateways" None;
    "4.13" "alarm on changes of route tables" None;
    "4.14" "alarm on changes of VPCs" None;
    "4.15" "alarm on changes of the organization" None;
    "4.16" "Security Hub is on" None;
};

/// Whether a finding speaks of a recommendation that its rule answers. One that names none speaks of all of them.
fn speaks_of(finding: &Finding, number: &str) -> bool {
    match finding.evidence.get(CONTROLS_FACT) {
        Some(Value::Array(named)) => named.iter().any(|named| named == number),
        Some(_) | None => true,
    }
}

/// The standing of an account of which these rules found that. Only the selected rules count; empty: all.
pub fn score(config: &Config, selected: &[String], findings: &[Finding]) -> Scorecard {
    let evaluated: BTreeSet<&str> = REGISTRY
        .iter()
        .filter(|rule| (rule.mode)(config) != Mode::Off)
        .filter(|rule| selected.is_empty() || selected.iter().any(|name| name == rule.name))
        .map(|rule| rule.name)
        .collect();
    Scorecard {
        practices: Practice::ALL
            .into_iter()
            .map(|practice| score_practice(practice, &evaluated, findings))
            .collect(),
        controls: CONTROLS
            .iter()
            .map(|control| score_control(control, config, &evaluated, findings))
            .collect(),
    }
}

fn score_practice(practice: Practice, evaluated: &BTreeSet<&str>, findings: &[Finding]) -> Score {
    let of_practice: Vec<&Rule> = REGISTRY.iter().filter(|rule| rule.practice == practice).collect();
    let on: Vec<&&Rule> = of_practice
        .iter()
        .filter(|rule| evaluated.contains(rule.name))
        .collect();
    let about = findings
        .iter()
        .filter(|finding| on.iter().any(|rule| finding.rule.as_str() == rule.name));
    let (mark, count) = match on.is_empty() {
        true => (Mark::NotEvaluated, 0),
        false => mark(about),
    };
    Score {
        number: None,
        title: practice.title().to_owned(),
        mark,
        findings: count,
        rules: on.iter().map(|rule| rule.rule_name()).collect(),
        note: match (on.len(), of_practice.len()) {
            (_, 0) => "no rule looks at it".to_owned(),
            (on, all) if on < all => format!("{on} of {all} rules on"),
            (_, _) => String::new(),
        },
    }
}

fn score_control(
    control: &Control,
    config: &Config,
    evaluated: &BTreeSet<&str>,
    findings: &[Finding],
) -> Score {
    let Control {
        number,
        title,
        answer,
    } = control;
    let answer = answer
        .as_ref()
        .and_then(|answer| crate::rules::find(answer.rule).map(|rule| (answer, rule)));
    let mut score = Score {
        number: Some((*number).to_owned()),
        title: (*title).to_owned(),
        mark: Mark::NotEvaluated,
        findings: 0,
        rules: answer.iter().map(|(_, rule)| rule.rule_name()).collect(),
        note: String::new(),
    };
    let Some((answer, rule)) = answer else {
        score.note = "no rule looks at it".to_owned();
        return score;
    };
    if !evaluated.contains(rule.name) {
        score.note = "its rule is off or not selected".to_owned();
        return score;
    }
    let about = findings
        .iter()
        .filter(|finding| finding.rule.as_str() == rule.name && speaks_of(finding, number));
    let (mark, count) = mark(about);
    match (mark, (answer.looser)(config)) {
        // What is asked for less strictly and kept says nothing; what is broken even so says enough.
        (Mark::Pass | Mark::Unknown | Mark::NotEvaluated, Some(why)) => score.note = why,
        (mark, _) => (score.mark, score.findings) = (mark, count),
    }
    score
}

fn mark<'a>(findings: impl Iterator<Item = &'a Finding>) -> (Mark, usize) {
    let (mut violations, mut unknowns) = (0, 0);
    for finding in findings {
        match finding.status {
            FindingStatus::Violation => violations += 1,
            FindingStatus::Unknown => unknowns += 1,
            FindingStatus::Warning | FindingStatus::Exempt => {}
        }
    }
    match (violations, unknowns) {
        (0, 0) => (Mark::Pass, 0),
        (0, unknowns) => (Mark::Unknown, unknowns),
        (violations, _) => (Mark::Fail, violations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, Arn, FindingId, Severity};

    fn finding(rule: &'static str, status: FindingStatus) -> Finding {
        let account = AccountId::parse("123456789012").unwrap();
        let resource = Arn::parse("arn:aws:iam::123456789012:user/alice").unwrap();
        Finding {
            id: FindingId::of(&RuleName::new(rule), &account, &resource, ""),
            rule: RuleName::new(rule),
            account,
            resource,
            severity: Severity::Low,
            status,
            title: String::new(),
            detail: String::new(),
            evidence: serde_json::Map::new(),
            owner: None,
            proposal: None,
        }
    }

    fn control(number: &str, change: impl Fn(&mut Config), findings: &[Finding]) -> (Mark, usize, String) {
        let mut config = Config::built_in().unwrap();
        change(&mut config);
        let card = score(&config, &[], findings);
        let line = card
            .controls
            .into_iter()
            .find(|score| score.number.as_deref() == Some(number))
            .unwrap();
        (line.mark, line.findings, line.note)
    }

    #[test]
    fn every_recommendation_of_the_three_sections_is_listed_once() {
        let numbers: BTreeSet<_> = CONTROLS.iter().map(|control| control.number).collect();
        assert_eq!(numbers.len(), CONTROLS.len());
        let of = |section: &str| numbers.iter().filter(|n| n.starts_with(section)).count();
        assert_eq!((of("1."), of("3."), of("4.")), (22, 9, 16));
    }

    #[test]
    fn rules_and_table_agree_on_who_answers_what() {
        for rule in &REGISTRY {
            let told: Vec<_> = CONTROLS
                .iter()
                .filter(|control| {
                    control
                        .answer
                        .as_ref()
                        .is_some_and(|answer| answer.rule == rule.name)
                })
                .map(|control| control.number)
                .collect();
            assert_eq!(told, rule.controls, "{}", rule.name);
        }
    }

    #[test]
    fn violations_fail_and_gaps_are_unknown() {
        let rule = "access_key_rotation";
        let mark = |findings: &[Finding]| control("1.14", |_| {}, findings).0;
        assert_eq!(mark(&[]), Mark::Pass);
        assert_eq!(
            mark(&[
                finding(rule, FindingStatus::Exempt),
                finding(rule, FindingStatus::Warning)
            ]),
            Mark::Pass
        );
        assert_eq!(mark(&[finding(rule, FindingStatus::Unknown)]), Mark::Unknown);
        assert_eq!(
            mark(&[
                finding(rule, FindingStatus::Unknown),
                finding(rule, FindingStatus::Violation)
            ]),
            Mark::Fail
        );
        assert_eq!(
            mark(&[finding("unused_access_keys", FindingStatus::Violation)]),
            Mark::Pass
        );
    }

    #[test]
    fn what_is_declared_more_loosely_is_not_evaluated_but_fails_all_the_same() {
        let loose = |config: &mut Config| config.rules.access_key_rotation.max_age = Span::from_days(180);
        let (mark, _, note) = control("1.14", loose, &[]);
        assert_eq!(mark, Mark::NotEvaluated);
        insta::assert_snapshot!(note, @"max_age is 180d, the benchmark asks for 90d or less");
        let broken = [finding("access_key_rotation", FindingStatus::Violation)];
        assert_eq!(control("1.14", loose, &broken).0, Mark::Fail);
        let off = |config: &mut Config| config.rules.access_key_rotation.mode = Mode::Off;
        assert_eq!(control("1.14", off, &broken).0, Mark::NotEvaluated);
        assert_eq!(
            control("1.8", |_| {}, &[]).0,
            Mark::NotEvaluated,
            "nothing is declared"
        );
    }

    #[test]
    fn a_finding_that_names_recommendations_speaks_of_no_other() {
        let declare = |config: &mut Config| {
            config.rules.password_policy.minimum_length = Some(14);
            config.rules.password_policy.reuse_prevention = Some(24);
        };
        let mut short = finding("password_policy", FindingStatus::Violation);
        short
            .evidence
            .insert(CONTROLS_FACT.to_owned(), serde_json::json!(["1.8"]));
        assert_eq!(control("1.8", declare, &[short.clone()]).0, Mark::Fail);
        assert_eq!(control("1.9", declare, &[short]).0, Mark::Pass);
    }

    #[test]
    fn practices_count_the_rules_that_are_on() {
        let mut config = Config::built_in().unwrap();
        config.rules.unused_access_keys.mode = Mode::Off;
        let card = score(
            &config,
            &[],
            &[finding("access_key_rotation", FindingStatus::Violation)],
        );
        let keys = &card.practices[2];
        assert_eq!((keys.mark, keys.findings), (Mark::Fail, 1));
        assert!(keys.note.contains(" rules on"), "{}", keys.note);
        assert_eq!(card.practices[4].mark, Mark::Pass);
    }
}
