//! `instance_roles`: programs on EC2 instances that need access keys, because the instance has no role.
//!
//! # What it finds
//!
//! - running instances without an instance profile, in every region under `[regions]`. A profile that an instance is just
//!   getting or losing counts as one: the next run looks again;
//! - running instances whose profile holds no role, was deleted from IAM, or was deleted and made anew (the instance still
//!   has the old one, which gives nothing);
//! - running instances whose metadata service answers without a session token (IMDSv1): whoever gets a program on the instance
//!   to fetch a chosen address gets the credentials of its role.
//!
//! A region that cannot be read is `unknown`, never in order.
//!
//! # What it does
//!
//! `associate_instance_profile` gives the profile `default_profile` to running instances that have none; undone by taking
//! that profile from the instance again. Neither restarts the instance. Programs that find access keys in their environment
//! or configuration go on using those; all others may do from then on what the role in the profile may, so it should allow
//! little.
//!
//! The profile has to exist in the account and to hold a role (`default_role`, where that is declared). Else that is an
//! error of the rule wherever an instance would get it, and nothing is changed. Right before, it is asked again whether the
//! instance still runs and has no profile, and whether the profile still holds that role.
//!
//! An instance of an Auto Scaling group is given the profile as well, and the message says that it will be replaced by one
//! that is like its launch template. Instances that a service manages, such as nodes of EKS Auto Mode, are left alone, and so
//! are other profiles, IMDSv1 and stopped instances.
//!
//! The owner of an instance is the one that its tags name (`owner_tags`), as for principals. Exemptions, the map of owners
//! and `guardrails.protected` name it as `instance/i-0123456789abcdef0`.
//!
//! # Where it comes from
//!
//! AWS IAM user guide, "Security best practices in IAM": workloads get temporary credentials by roles. CIS AWS Foundations
//! Benchmark v3.0.0, 1.18; 5.6 (IMDSv2) is in its part on networking, which the scorecard leaves out. EC2 user guide, "Use
//! the Instance Metadata Service to access instance metadata".
//!
//! # Where it differs from Prowler
//!
//! Prowler's `ec2_instance_profile_attached` looks at every instance that is not terminated, also at stopped ones, and
//! passes with any profile; this rule looks at running ones alone, and asks for a role in the profile. Its
//! `ec2_instance_imdsv2_enabled` asks for the same as this rule, of stopped instances as well. Prowler looks into every
//! region that is enabled for the account, this rule into those under `[regions]`.

use serde_json::{Value, json};

use super::judgement::{evidence, stands_subject};
use super::region::{NOT_TAKEN, REMIND_EVERY, by_people, failed, read_regions, remedied};
use super::{CONTROLS_FACT, Context, Judgement, Practice, Reminder, Rule};
use crate::inventory::{AssociatedProfile, Gap, Instance, InstanceProfile, Reading};
use crate::model::{
    Arn, ChangeKind, Event, Finding, FindingStatus, InstanceGrounds, RegionalChange, RegionalState, RuleName,
    Severity,
};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("instance_roles");

/// The cause of a finding on a declaration that cannot be carried out: the profile cannot be given.
pub const UNUSABLE_PROFILE: &str = "unusable_default_profile";

pub(super) const ENTRY: Rule = Rule {
    name: "instance_roles",
    summary: "EC2 instances without a role, or with metadata that is too easy to reach",
    check,
    mode: |config| config.rules.instance_roles.mode,
    schedule: |config| config.rules.instance_roles.schedule.as_ref(),
    changes: |config| {
        let profile = config.rules.instance_roles.default_profile.as_ref();
        profile
            .map(|_| ChangeKind::AssociateInstanceProfile)
            .into_iter()
            .collect()
    },
    source: include_str!("instance_roles.rs"),
    practice: Practice::LongTermCredentials,
    controls: &[CONTROL],
};

/// The recommendation that instances use roles.
const CONTROL: &str = "1.18";
/// By which an Auto Scaling group marks its instances.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let (read, mut judgements) = read_regions(ctx, &RULE, "instances", |region| region.instances.as_ref());
    let instances: Vec<&Instance> = read.into_iter().flat_map(|(_, instances)| instances).collect();
    if instances.is_empty() {
        return judgements;
    }
    let profiles = Profiles::of(ctx);
    if let Profiles::Unknown(why) = &profiles {
        judgements.push(unknown_profiles(ctx, why));
    }
    let default = Default::of(ctx, &profiles);
    let is_asked_for = |instance: &&Instance| matches!(instance.profile, Reading::Known(None));
    if let Default::Unusable(name, why) = &default
        && instances.iter().any(is_asked_for)
    {
        judgements.push(unusable_default(ctx, name, why));
    }
    for instance in instances {
        judgements.extend(judge_profile(ctx, instance, &profiles, &default));
        judgements.extend(judge_metadata(ctx, instance));
    }
    judgements
}

/// The instance profiles of the account.
enum Profiles<'a> {
    Known(&'a [InstanceProfile]),
    /// They are not known, and why.
    Unknown(String),
}

impl<'a> Profiles<'a> {
    fn of(ctx: &Context<'a>) -> Self {
        match &ctx.snapshot.regions.instance_profiles {
            Some(Reading::Known(profiles)) => Self::Known(profiles),
            Some(Reading::Unknown(gap)) => Self::Unknown(failed(gap)),
            None => Self::Unknown(NOT_TAKEN.to_owned()),
        }
    }
}

/// The profile that is given to instances.
enum Default<'a> {
    /// None is declared.
    Undeclared,
    /// This one, with this role in it.
    Usable(&'a InstanceProfile, &'a Arn),
    /// The declared one cannot be given, for this reason.
    Unusable(&'a str, String),
    /// Whether it can be given is not known.
    Unknown(&'a str),
}

impl<'a> Default<'a> {
    fn of(ctx: &Context<'a>, profiles: &Profiles<'a>) -> Self {
        let settings = &ctx.config.rules.instance_roles;
        let Some(name) = settings.default_profile.as_deref() else {
            return Self::Undeclared;
        };
        let profiles = match profiles {
            Profiles::Known(profiles) => profiles,
            Profiles::Unknown(_) => return Self::Unknown(name),
        };
        let Some(profile) = profiles.iter().find(|profile| profile.arn.name() == name) else {
            return Self::Unusable(
                name,
                "the account has no instance profile of that name".to_owned(),
            );
        };
        let Some(role) = &profile.role else {
            return Self::Unusable(name, "it holds no role".to_owned());
        };
        let declared = settings.default_role.as_ref();
        let wanted = declared.map(|path| {
            let resource = format!("role/{path}");
            Arn::iam(&ctx.snapshot.partition, &ctx.snapshot.account, &resource)
        });
        match wanted {
            Some(wanted) if wanted != *role => Self::Unusable(
                name,
                format!(
                    "it holds the role {}, and {} is declared",
                    path_of(role),
                    path_of(&wanted)
                ),
            ),
            Some(_) | None => Self::Usable(profile, role),
        }
    }
}

/// A role by its path and name.
fn path_of(role: &Arn) -> &str {
    role.resource().strip_prefix("role/").unwrap_or(role.resource())
}

fn judge_profile(
    ctx: &Context<'_>,
    instance: &Instance,
    profiles: &Profiles<'_>,
    default: &Default<'_>,
) -> Option<Judgement> {
    match &instance.profile {
        Reading::Unknown(gap) => Some(unknown_profile(ctx, instance, gap)),
        Reading::Known(None) => Some(without_profile(ctx, instance, default)),
        Reading::Known(Some(associated)) => without_role(ctx, instance, associated, profiles),
    }
}

fn without_profile(ctx: &Context<'_>, instance: &Instance, default: &Default<'_>) -> Judgement {
    let mut finding = instance_finding(
        ctx,
        instance,
        "profile",
        FindingStatus::Violation,
        Severity::Medium,
    );
    finding.title = format!("The instance {} has no instance profile", called(instance));
    finding.detail = "Without a role, whatever runs on it needs access keys, which do not expire.".to_owned();
    finding.detail.push_str(&replacement(instance, "names a profile"));
    finding.evidence.extend(evidence([
        ("fault", json!("no_profile")),
        (CONTROLS_FACT, json!([CONTROL])),
    ]));
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Judgement::bare(finding);
    }
    let then = match (&instance.operator, default) {
        (Some(service), _) => format!("It is managed by {service}, which alone may change it."),
        (None, Default::Usable(profile, role)) => {
            finding.detail.push_str(&format!(
                " It is given the instance profile {}, and may do from then on what its role {} may.",
                profile.arn.name(),
                path_of(role)
            ));
            return given(finding, instance, profile, role);
        }
        (None, Default::Undeclared) => {
            "Give it one by hand, or declare a default_profile that such instances get.".to_owned()
        }
        (None, Default::Unusable(name, why)) => {
            format!("The declared profile {name} is not given to it: {why}.")
        }
        (None, Default::Unknown(name)) => {
            format!("Whether the declared profile {name} can be given to it is not known.")
        }
    };
    finding.detail.push_str(&format!(" {then}"));
    reminding(finding)
}

/// What becomes of an instance of an Auto Scaling group, which soon is another one.
fn replacement(instance: &Instance, asked: &str) -> String {
    instance.tags.get(GROUP_TAG).map_or_else(String::new, |group| {
        format!(
            " It belongs to the Auto Scaling group {group}, which replaces it in time by one that is like its launch \
             template: see that this {asked}."
        )
    })
}

fn given(finding: Finding, instance: &Instance, profile: &InstanceProfile, role: &Arn) -> Judgement {
    let change = RegionalChange::AssociateInstanceProfile {
        profile_arn: profile.arn.clone(),
    };
    let before = RegionalState::InstanceProfile {
        profile: None,
        grounds: Some(InstanceGrounds {
            state: "running".to_owned(),
            role: Some(role.clone()),
        }),
    };
    remedied(finding, change, before, instance.launched_at)
}

/// The verdict on an instance whose profile gives it nothing.
fn without_role(
    ctx: &Context<'_>,
    instance: &Instance,
    associated: &AssociatedProfile,
    profiles: &Profiles<'_>,
) -> Option<Judgement> {
    let profiles = match profiles {
        Profiles::Known(profiles) => profiles,
        // Said once for all instances.
        Profiles::Unknown(_) => return None,
    };
    let name = associated.arn.name();
    let known = profiles.iter().find(|profile| profile.arn == associated.arn);
    let why = match (known, &associated.id) {
        (None, _) => format!("The profile {name} was deleted from IAM"),
        (Some(known), Some(id)) if *id != known.id => {
            format!(
                "The profile {name} was deleted from IAM and made anew, and the instance still has the old one"
            )
        }
        (Some(known), _) if known.role.is_none() => format!("The profile {name} holds no role"),
        (Some(_), _) => return None,
    };
    let mut finding = instance_finding(ctx, instance, "role", FindingStatus::Violation, Severity::Medium);
    finding.title = format!(
        "The instance profile of the instance {} gives it no role",
        called(instance)
    );
    finding.detail = format!(
        "{why}. Whatever runs on the instance gets no credentials. A profile that is there is changed by people alone."
    );
    finding
        .detail
        .push_str(&replacement(instance, "names a profile with a role"));
    finding.evidence.extend(evidence([
        ("fault", json!("no_role")),
        ("profile", json!(associated)),
        (CONTROLS_FACT, json!([CONTROL])),
    ]));
    Some(by_people(ctx, &RULE, finding, Event::InstanceAtRisk))
}

fn judge_metadata(ctx: &Context<'_>, instance: &Instance) -> Option<Judgement> {
    match instance.imds_v1 {
        Some(false) => return None,
        Some(true) => {}
        None => return Some(unknown_metadata(ctx, instance)),
    }
    let (severity, loot) = match &instance.profile {
        Reading::Known(None) => (
            Severity::Medium,
            "what it says, and the credentials of a role once it has one",
        ),
        Reading::Known(Some(_)) | Reading::Unknown(_) => (Severity::High, "the credentials of its role"),
    };
    let mut finding = instance_finding(ctx, instance, "metadata", FindingStatus::Violation, severity);
    finding.title = format!("The instance {} allows IMDSv1", called(instance));
    finding.detail = format!(
        "Its metadata service answers without a session token: whoever makes a program on it fetch a chosen address gets \
         {loot}."
    );
    finding.detail.push_str(&replacement(instance, "requires tokens"));
    finding.evidence.extend(evidence([
        ("fault", json!("imds_v1")),
        (CONTROLS_FACT, json!([])),
    ]));
    Some(by_people(ctx, &RULE, finding, Event::InstanceAtRisk))
}

/// An instance as people know it: its id, its name, and where it is.
fn called(instance: &Instance) -> String {
    let (id, region) = (instance.arn.name(), instance.arn.region());
    match instance.tags.get("Name").map(|name| name.trim()) {
        None | Some("") => format!("{id} ({region})"),
        Some(name) => format!("{id} ({name}, {region})"),
    }
}

fn instance_finding(
    ctx: &Context<'_>,
    instance: &Instance,
    subject: &str,
    status: FindingStatus,
    severity: Severity,
) -> Finding {
    let mut finding = ctx.finding(&RULE, &instance.arn, subject, status, severity);
    finding.evidence = evidence([("launched_at", json!(instance.launched_at))]);
    let optional = [
        ("name", instance.tags.get("Name")),
        ("auto_scaling_group", instance.tags.get(GROUP_TAG)),
        ("managed_by", instance.operator.as_ref()),
    ];
    let optional = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?.as_str()))));
    finding.evidence.extend(optional);
    finding.owner = ctx.owner(&instance.arn, &instance.tags);
    finding
}

fn reminding(finding: Finding) -> Judgement {
    Judgement {
        reminder: Some(Reminder {
            event: Event::InstanceAtRisk,
            every: REMIND_EVERY,
        }),
        ..Judgement::bare(finding)
    }
}

/// An error of the rule: what is declared cannot be done in this account.
fn unusable_default(ctx: &Context<'_>, name: &str, why: &str) -> Judgement {
    let mut finding = account_finding(ctx, "default_profile");
    finding.title = format!("The declared instance profile {name} cannot be given to instances");
    finding.detail = format!(
        "{why}. Nothing is changed until it can: correct `default_profile` (and `default_role`) in [rules.instance_roles], or \
         make the profile and put a role into it."
    );
    finding.evidence.extend(evidence([
        ("cause", json!(UNUSABLE_PROFILE)),
        (CONTROLS_FACT, json!([])),
    ]));
    Judgement::bare(finding)
}

fn unknown_profiles(ctx: &Context<'_>, why: &str) -> Judgement {
    let mut finding = account_finding(ctx, "profiles");
    finding.title = "Whether the profiles of instances hold roles is not known".to_owned();
    finding.detail = format!("{why}. Nothing is concluded from what is missing.");
    Judgement::bare(finding)
}

fn account_finding(ctx: &Context<'_>, subject: &str) -> Finding {
    let (root, status) = (ctx.account_root(), FindingStatus::Unknown);
    let mut finding = ctx.finding(&RULE, &root, subject, status, Severity::Medium);
    finding.owner = ctx.account_owner();
    finding
}

fn unknown_profile(ctx: &Context<'_>, instance: &Instance, gap: &Gap) -> Judgement {
    let mut finding = instance_finding(ctx, instance, "profile", FindingStatus::Unknown, Severity::Medium);
    finding.title = format!(
        "Whether the instance {} has an instance profile is not known",
        called(instance)
    );
    finding.detail = format!("{}. Nothing is concluded from what is missing.", failed(gap));
    finding.evidence.extend(evidence([
        ("operation", json!(gap.operation)),
        ("cause", json!(gap.cause)),
    ]));
    Judgement::bare(finding)
}

fn unknown_metadata(ctx: &Context<'_>, instance: &Instance) -> Judgement {
    let mut finding = instance_finding(
        ctx,
        instance,
        "metadata",
        FindingStatus::Unknown,
        Severity::Medium,
    );
    finding.title = format!(
        "Whether the instance {} allows IMDSv1 is not known",
        called(instance)
    );
    finding.detail =
        "AWS did not say so in words that are known. Nothing is concluded from what is missing.".to_owned();
    finding.evidence.extend(evidence([(CONTROLS_FACT, json!([]))]));
    Judgement::bare(finding)
}

#[cfg(test)]
#[path = "instance_roles_tests.rs"]
mod tests;
