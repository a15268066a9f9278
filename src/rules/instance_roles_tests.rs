use std::collections::BTreeMap;

use super::*;
use crate::config::{Config, Exemption, Mode};
use crate::inventory::{RegionalInventory, Snapshot};
use crate::model::{Change, Glob, History, Inverse, Owner, Proposal, RegionalInverse};
use crate::rules::fixture::{self, ACCOUNT, days, gap, now, region, snapshot};

const BARE: &str = "i-0123456789abcdef0";

fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn profile_arn(name: &str) -> Arn {
    arn(&format!("arn:aws:iam::{ACCOUNT}:instance-profile/{name}"))
}

fn role_arn(name: &str) -> Arn {
    arn(&format!("arn:aws:iam::{ACCOUNT}:role/{name}"))
}

fn profile(name: &str, role: Option<&str>) -> InstanceProfile {
    InstanceProfile {
        arn: profile_arn(name),
        id: format!("AIPA{}", name.to_uppercase()),
        role: role.map(role_arn),
    }
}

/// An instance without a profile, and otherwise sound.
fn bare(id: &str) -> Instance {
    Instance {
        arn: arn(&format!("arn:aws:ec2:eu-central-1:{ACCOUNT}:instance/{id}")),
        launched_at: now() - days(30),
        tags: BTreeMap::from([("Name".to_owned(), "web-1".to_owned())]),
        profile: Reading::Known(None),
        imds_v1: Some(false),
        operator: None,
    }
}

fn with_profile(name: &str, id: Option<&str>) -> Instance {
    let mut instance = bare(BARE);
    instance.profile = Reading::Known(Some(AssociatedProfile {
        arn: profile_arn(name),
        id: id.map(str::to_owned),
    }));
    instance
}

fn tagged(key: &str, value: &str) -> Instance {
    let mut instance = bare(BARE);
    instance.tags.insert(key.to_owned(), value.to_owned());
    instance
}

fn config() -> Config {
    let mut config = fixture::config(Mode::Off);
    config.rules.instance_roles.mode = Mode::Enforce;
    config.rules.instance_roles.default_profile = Some("baseline".to_owned());
    config
}

fn running(instances: Vec<Instance>) -> Snapshot {
    let mut snapshot = snapshot(Vec::new());
    let inventory = RegionalInventory {
        instances: Some(Reading::Known(instances)),
        ..RegionalInventory::default()
    };
    snapshot.regions.by_name.insert(region("eu-central-1"), inventory);
    let profiles = vec![
        profile("baseline", Some("ec2/baseline")),
        profile("empty", None),
        profile("web", Some("web")),
    ];
    snapshot.regions.instance_profiles = Some(Reading::Known(profiles));
    snapshot
}

fn judge_snapshot(config: &Config, snapshot: &Snapshot) -> Vec<Judgement> {
    let history = History::default();
    check(&Context {
        config,
        snapshot,
        history: &history,
        now: now(),
    })
}

fn judge(config: &Config, instance: Instance) -> Vec<Judgement> {
    judge_snapshot(config, &running(vec![instance]))
}

/// Status, title and change of each finding.
fn told(judgements: &[Judgement]) -> Vec<String> {
    let one = |judgement: &Judgement| {
        let finding = &judgement.finding;
        let then = match (&judgement.remedy, &judgement.reminder) {
            (Some(remedy), None) => remedy.proposal.change.kind().as_str(),
            (None, Some(reminder)) => reminder.event.as_str(),
            (None, None) => "nothing",
            (Some(_), Some(_)) => "both",
        };
        format!("{}: {} -> {then}", finding.status.as_str(), finding.title)
    };
    judgements.iter().map(one).collect()
}

fn only(judgements: &[Judgement]) -> &Judgement {
    let [judgement] = judgements else {
        panic!("{judgements:?}")
    };
    judgement
}

#[test]
fn an_instance_with_a_role_is_in_order() {
    for id in [Some("AIPAWEB"), None] {
        assert_eq!(
            told(&judge(&config(), with_profile("web", id))),
            Vec::<String>::new()
        );
    }
    assert_eq!(
        told(&judge_snapshot(&config(), &running(Vec::new()))),
        Vec::<String>::new()
    );
}

#[test]
fn the_default_profile_is_given_to_an_instance_without_one_and_taken_from_it_to_undo_that() {
    let judgements = judge(&config(), bare(BARE));
    assert_eq!(
        told(&judgements),
        [
            "violation: The instance i-0123456789abcdef0 (web-1, eu-central-1) has no instance profile -> associate_instance_profile"
        ]
    );
    let Judgement { finding, remedy, .. } = only(&judgements);
    assert_eq!(
        finding.detail,
        "Without a role, whatever runs on it needs access keys, which do not expire. It is given the instance profile \
         baseline, and may do from then on what its role ec2/baseline may."
    );
    assert_eq!(finding.evidence["controls"], json!(["1.18"]));
    let remedy = remedy.as_ref().unwrap();
    let profile_arn = profile_arn("baseline");
    assert_eq!(
        remedy.proposal,
        Proposal {
            change: Change::Regional(RegionalChange::AssociateInstanceProfile {
                profile_arn: profile_arn.clone()
            }),
            inverse: Some(Inverse::Regional(RegionalInverse::DisassociateInstanceProfile {
                profile_arn
            })),
        }
    );
    assert_eq!(
        json!(remedy.precondition),
        json!({
            "of": "instance_profile",
            "profile": null,
            "grounds": {"state": "running", "role": role_arn("ec2/baseline")},
        })
    );
    assert_eq!(
        remedy.since,
        now() - days(30),
        "the one that has run longest goes first"
    );
}

#[test]
fn without_a_declared_profile_it_is_for_people() {
    let mut config = config();
    config.rules.instance_roles.default_profile = None;
    let judgements = judge(&config, bare(BARE));
    assert_eq!(
        told(&judgements),
        [
            "violation: The instance i-0123456789abcdef0 (web-1, eu-central-1) has no instance profile -> instance.at_risk"
        ]
    );
    assert!((ENTRY.changes)(&config).is_empty());
}

#[test]
fn a_profile_that_cannot_be_given_is_an_error_of_the_rule_and_no_change() {
    for (profile, role, why) in [
        (
            "nowhere",
            None,
            "the account has no instance profile of that name",
        ),
        ("empty", None, "it holds no role"),
        (
            "baseline",
            Some("other"),
            "it holds the role ec2/baseline, and other is declared",
        ),
        (
            "baseline",
            Some("baseline"),
            "it holds the role ec2/baseline, and baseline is declared",
        ),
    ] {
        let mut config = config();
        let settings = &mut config.rules.instance_roles;
        settings.default_profile = Some(profile.to_owned());
        settings.default_role = role.map(str::to_owned);
        let judgements = judge(&config, bare(BARE));
        let error = &judgements[0].finding;
        assert_eq!(error.evidence["cause"], UNUSABLE_PROFILE);
        assert!(error.detail.starts_with(why), "{}", error.detail);
        assert_eq!(
            told(&judgements[1..]),
            [
                "violation: The instance i-0123456789abcdef0 (web-1, eu-central-1) has no instance profile -> instance.at_risk"
            ]
        );
        assert!(judgements[1].finding.detail.contains(why));
        assert_eq!(
            told(&judge(&config, with_profile("web", None))),
            Vec::<String>::new(),
            "an account where nobody would get it is not bothered"
        );
    }
    let mut config = config();
    config.rules.instance_roles.default_role = Some("ec2/baseline".to_owned());
    assert!(only(&judge(&config, bare(BARE))).remedy.is_some());
}

#[test]
fn a_profile_that_gives_no_role_is_for_people() {
    for (instance, why) in [
        (
            with_profile("empty", Some("AIPAEMPTY")),
            "The profile empty holds no role.",
        ),
        (
            with_profile("gone", Some("AIPAGONE")),
            "The profile gone was deleted from IAM.",
        ),
        (
            with_profile("web", Some("AIPAOLD")),
            "The profile web was deleted from IAM and made anew, and the instance still has the old one.",
        ),
    ] {
        let judgements = judge(&config(), instance);
        assert_eq!(
            told(&judgements),
            [
                "violation: The instance profile of the instance i-0123456789abcdef0 (web-1, eu-central-1) gives it no role -> instance.at_risk"
            ]
        );
        let finding = &only(&judgements).finding;
        assert!(finding.detail.starts_with(why), "{}", finding.detail);
        assert_eq!(finding.evidence["controls"], json!(["1.18"]));
    }
}

#[test]
fn metadata_without_a_token_is_for_people_and_graver_where_there_is_a_role() {
    let metadata = |mut instance: Instance, imds_v1| {
        instance.imds_v1 = imds_v1;
        let judgements = judge(&config(), instance);
        let finding = judgements.last().unwrap().finding.clone();
        assert_eq!(
            finding.evidence["controls"],
            json!([]),
            "1.18 does not ask for it"
        );
        (told(&judgements).pop().unwrap(), finding.severity)
    };
    let offends =
        "violation: The instance i-0123456789abcdef0 (web-1, eu-central-1) allows IMDSv1 -> instance.at_risk";
    assert_eq!(
        metadata(with_profile("web", None), Some(true)),
        (offends.to_owned(), Severity::High)
    );
    assert_eq!(
        metadata(bare(BARE), Some(true)),
        (offends.to_owned(), Severity::Medium)
    );
    assert_eq!(
        metadata(with_profile("web", None), None).0,
        "unknown: Whether the instance i-0123456789abcdef0 (web-1, eu-central-1) allows IMDSv1 is not known -> nothing"
    );
}

#[test]
fn an_instance_of_an_auto_scaling_group_will_be_replaced_and_that_is_said() {
    let mut instance = tagged(GROUP_TAG, "web");
    instance.imds_v1 = Some(true);
    let judgements = judge(&config(), instance);
    assert!(judgements[0].remedy.is_some());
    let ending = |n: usize, text: &str| {
        let finding = &judgements[n].finding;
        assert!(finding.detail.contains(text), "{}", finding.detail);
        assert_eq!(finding.evidence["auto_scaling_group"], "web");
    };
    ending(
        0,
        "It belongs to the Auto Scaling group web, which replaces it in time by one that is like its launch template: see \
         that this names a profile.",
    );
    ending(1, "see that this requires tokens.");
}

#[test]
fn what_a_service_manages_is_left_to_it() {
    let mut instance = bare(BARE);
    instance.operator = Some("eks.amazonaws.com".to_owned());
    let judgements = judge(&config(), instance);
    let judgement = only(&judgements);
    assert_eq!(judgement.remedy, None);
    assert!(
        judgement
            .finding
            .detail
            .ends_with("It is managed by eks.amazonaws.com, which alone may change it.")
    );
}

#[test]
fn its_tags_name_the_owner_as_those_of_principals_do() {
    let owner = |config: &Config, instance| only(&judge(config, instance)).finding.owner.clone();
    let named = |name: &str| Some(Owner(name.to_owned()));
    assert_eq!(
        owner(&config(), tagged("owner", "ann@example.com")),
        named("ann@example.com")
    );
    assert_eq!(owner(&config(), bare(BARE)), None);
    let mut mapped = config();
    mapped.notifications.owners = vec![crate::config::OwnerEntry::Map(crate::config::OwnerMap {
        principals: vec![Glob::new("instance/i-0123*")],
        owner: Owner("web@example.com".to_owned()),
    })];
    assert_eq!(
        owner(&mapped, tagged("owner", "ann@example.com")),
        named("web@example.com")
    );
}

#[test]
fn the_exempt_and_the_protected_are_left_alone() {
    let mut instance = bare(BARE);
    instance.imds_v1 = Some(true);
    let mut protected = config();
    protected.guardrails.protected = vec![Glob::new("instance/i-0123456789abcdef0")];
    let mut exempt = config();
    exempt.exemptions = vec![Exemption {
        principals: vec![Glob::new("instance/*")],
        rules: vec![RULE],
        accounts: None,
        until: now().date_naive(),
        reason: "an appliance, SEC-9".to_owned(),
    }];
    for (config, why) in [
        (&protected, "It is protected by `instance/i-0123456789abcdef0`."),
        (&exempt, "It is exempt until 2026-11-23: an appliance, SEC-9."),
    ] {
        let judgements = judge(config, instance.clone());
        assert_eq!(judgements.len(), 2);
        for judgement in &judgements {
            assert_eq!(judgement.finding.status, FindingStatus::Exempt);
            assert!(
                judgement.finding.detail.ends_with(why),
                "{}",
                judgement.finding.detail
            );
            assert!(judgement.remedy.is_none() && judgement.reminder.is_none());
        }
    }
    exempt.exemptions[0].until = (now() - days(1)).date_naive();
    let judgements = judge(&exempt, bare(BARE));
    assert!(only(&judgements).remedy.is_some(), "it has ended");
    assert!(
        only(&judgements)
            .finding
            .detail
            .contains("ended on 2026-11-22 and has no effect")
    );
}

#[test]
fn what_could_not_be_read_is_unknown_and_nothing_is_done() {
    let of_region = |instances| {
        let mut snapshot = running(Vec::new());
        let inventory = snapshot.regions.by_name.get_mut(&region("eu-central-1")).unwrap();
        inventory.instances = instances;
        told(&judge_snapshot(&config(), &snapshot))
    };
    let nothing = ["unknown: The instances of eu-central-1 could not be read -> nothing"];
    assert_eq!(
        of_region(Some(Reading::Unknown(gap("ec2:DescribeInstances")))),
        nothing
    );
    assert_eq!(of_region(None), nothing);

    let mut instance = bare(BARE);
    instance.profile = Reading::Unknown(gap("ec2:DescribeIamInstanceProfileAssociations"));
    assert_eq!(
        told(&judge(&config(), instance)),
        [
            "unknown: Whether the instance i-0123456789abcdef0 (web-1, eu-central-1) has an instance profile is not known -> nothing"
        ]
    );

    let mut snapshot = running(vec![bare(BARE), with_profile("empty", None)]);
    for profiles in [Some(Reading::Unknown(gap("iam:ListInstanceProfiles"))), None] {
        snapshot.regions.instance_profiles = profiles;
        let judgements = judge_snapshot(&config(), &snapshot);
        assert_eq!(
            told(&judgements),
            [
                "unknown: Whether the profiles of instances hold roles is not known -> nothing",
                "violation: The instance i-0123456789abcdef0 (web-1, eu-central-1) has no instance profile -> instance.at_risk",
            ]
        );
        assert!(
            judgements[1]
                .finding
                .detail
                .ends_with("Whether the declared profile baseline can be given to it is not known.")
        );
    }
}

#[test]
fn a_region_that_is_declared_and_missing_is_not_in_order() {
    let mut config = config();
    config.regions.include = vec![region("eu-central-1"), region("us-east-1")];
    let snapshot = running(vec![bare(BARE)]);
    let judgements = judge_snapshot(&config, &snapshot);
    assert_eq!(
        told(&judgements)[0],
        "unknown: The instances of us-east-1 could not be read -> nothing"
    );
    assert!(
        judgements[1].remedy.is_some(),
        "the other region is judged all the same"
    );
}
