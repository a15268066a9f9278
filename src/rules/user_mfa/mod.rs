//! `user_mfa`: users who can sign in to the console without MFA.
//!
//! **Finds** every user with a console password and no active MFA device: virtual, hardware token or passkey, of which one is
//! enough. With `scope = "all"` a user without a password offends too. A virtual device of the user's name that is assigned
//! to nobody is named: somebody began to enrol it and did not finish. The credential report is hours old, so it is only
//! believed where it says that all is well; whoever it shows without a device is asked for live (`ListMFADevices`,
//! `GetLoginProfile`) before anything is said of them. What could not be read is unknown.
//!
//! **Does**, once the owner was told at least `minimum_notice` before: `require_mfa`. The inline policy
//! `iamwarden-require-mfa` denies the user all but enrolling a device, changing the password and seeing itself, as long as
//! the session has no MFA. It only denies: a user must be allowed by other policies to enrol a device by itself, or an
//! administrator assigns one. Its condition is `Bool`, not `BoolIfExists`: calls by access key carry no
//! `aws:MultiFactorAuthPresent`, so programs go on. That is also why a user without a console password gets a finding and
//! never an action: the policy would change nothing. Once a device is active, the next run takes the policy off again
//! (`lift_mfa_requirement`), even of an exempt user, for that only gives back what iamwarden took; a protected user is not
//! touched either way. A policy of that name that somebody edited is not iamwarden's any more: it is left alone and listed.
//! Users with inline policies near IAM's limit of 2048 bytes in all cannot take another one; that fails for them alone.
//!
//! **Undo**: `iamwarden rollback --action ID` removes the policy, or puts it back where it was lifted.
//!
//! **Answers** AWS's guide "Security best practices in IAM" (require MFA), the IAM user guide's "AWS: Allows
//! MFA-authenticated IAM users to manage their own credentials on the Security credentials page", and CIS AWS Foundations
//! Benchmark v3.0.0, 1.10.
//!
//! **Prowler** (`iam_user_mfa_enabled_console_access`) says the same of the same users on the same day. It differs in that it
//! looks at the report alone: for up to four hours after enrolling it still fails a user that passes here, and a user made
//! since the report is not in its result at all. Without a report it has no findings, where this rule asks for every user.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::judgement::{evidence, judge_users, stands_subject};
use super::{Announcement, CONTROLS_FACT, Context, Judgement, Practice, Remedy, Rule, Standing};
use crate::config::MfaScope;
use crate::inventory::{InlinePolicy, Mfa, Reading, SignIn, Snapshot, User};
use crate::model::{
    ActionId, Arn, Change, ChangeKind, Digest, Event, Finding, FindingStatus, Grounds, Inverse, Observation,
    OwnPolicy, Precondition, Proposal, RuleName, Severity, Target,
};

#[cfg(test)]
mod tests;

/// The rule's name.
pub const RULE: RuleName = RuleName::new("user_mfa");

pub(super) const ENTRY: Rule = Rule {
    name: "user_mfa",
    summary: "users who can sign in without MFA",
    check,
    mode: |config| config.rules.user_mfa.mode,
    schedule: |config| config.rules.user_mfa.schedule.as_ref(),
    changes: |_| vec![ChangeKind::RequireMfa, ChangeKind::LiftMfaRequirement],
    source: include_str!("mod.rs"),
    practice: Practice::Mfa,
    controls: &["1.10"],
};

/// The policy of iamwarden's name on a user.
#[derive(Clone, Copy)]
enum Requirement<'a> {
    None,
    /// As iamwarden put it, with its text.
    Ours(&'a InlinePolicy),
    /// Somebody changed it.
    Edited,
}

impl<'a> Requirement<'a> {
    fn on(user: &'a User) -> Self {
        let own = OwnPolicy::RequireMfa;
        match user.inline.iter().find(|policy| policy.name == own.name()) {
            None => Self::None,
            Some(policy) if own.is(&policy.name, &policy.document) => Self::Ours(policy),
            Some(_) => Self::Edited,
        }
    }
}

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    judge_users(ctx, &RULE, |user| judge(ctx, user))
}

fn judge(ctx: &Context<'_>, user: &User) -> Option<Judgement> {
    let sign_in = match &user.sign_in {
        Some(Reading::Known(sign_in)) => sign_in,
        Some(Reading::Unknown(gap)) => {
            return Some(undecided(
                ctx,
                user,
                &format!("{} failed: {}", gap.operation, gap.detail),
            ));
        }
        None => return Some(undecided(ctx, user, "the snapshot was taken without it")),
    };
    let everyone = ctx.config.rules.user_mfa.scope == MfaScope::All;
    let requirement = Requirement::on(user);
    let devices = match (&sign_in.mfa, requirement) {
        (Mfa::Devices(serials), _) => serials,
        (Mfa::Reported(true), Requirement::None) => return None,
        (Mfa::Reported(false) | Mfa::NotAsked, Requirement::None)
            if !everyone && !sign_in.console_password =>
        {
            return None;
        }
        (
            Mfa::Reported(_) | Mfa::NotAsked,
            Requirement::None | Requirement::Ours(_) | Requirement::Edited,
        ) => {
            return Some(undecided(
                ctx,
                user,
                "the snapshot was taken without asking AWS for this user",
            ));
        }
    };
    let case = Case {
        ctx,
        user,
        sign_in,
        devices,
    };
    match (devices.is_empty(), sign_in.console_password, requirement) {
        (false, _, Requirement::None) => None,
        (false, _, Requirement::Ours(policy)) => Some(case.lift(policy)),
        (false, _, Requirement::Edited) => Some(case.leftover(
            "somebody changed it, so it is left alone; take it off by hand where it is not wanted",
        )),
        (true, true, Requirement::None) => Some(case.require()),
        (true, true, Requirement::Ours(_)) => Some(case.required_already()),
        (true, true, Requirement::Edited) => Some(case.edited()),
        (true, false, _) if everyone => Some(case.without_password()),
        (true, false, Requirement::None) => None,
        (true, false, Requirement::Ours(_) | Requirement::Edited) => Some(case.leftover(
            "without a console password it has no effect; take it off by hand where it is not wanted",
        )),
    }
}

fn undecided(ctx: &Context<'_>, user: &User, why: &str) -> Judgement {
    let mut finding = ctx.finding(&RULE, &user.arn, "mfa", FindingStatus::Unknown, Severity::Medium);
    finding.title = format!("Whether {} has an MFA device is not known", user.name);
    finding.detail = format!("{why}. Nothing is concluded from what is missing.");
    finding.owner = ctx.owner_of_user(user);
    Judgement::bare(finding)
}

/// A user of whom AWS was asked.
struct Case<'a> {
    ctx: &'a Context<'a>,
    user: &'a User,
    sign_in: &'a SignIn,
    devices: &'a [String],
}

impl Case<'_> {
    fn finding(&self, status: FindingStatus, severity: Severity) -> Finding {
        let Self {
            ctx,
            user,
            sign_in,
            devices,
        } = self;
        let mut finding = ctx.finding(&RULE, &user.arn, "mfa", status, severity);
        finding.evidence = evidence([
            ("console_password", json!(sign_in.console_password)),
            ("mfa_devices", json!(devices)),
        ]);
        // The benchmark speaks of console users alone, and of devices, not of this policy.
        if !sign_in.console_password || !devices.is_empty() {
            finding.evidence.insert(CONTROLS_FACT.to_owned(), json!([]));
        }
        if let Some(made_at) = sign_in.password_made_at {
            finding
                .evidence
                .insert("password_made_at".to_owned(), json!(made_at));
        }
        finding.owner = ctx.owner_of_user(user);
        finding
    }

    /// A violation, with what is known of a device that nobody has.
    fn offence(&self, severity: Severity, title: String, detail: String) -> Finding {
        let mut finding = self.finding(FindingStatus::Violation, severity);
        finding.title = title;
        finding.detail = detail;
        if let Some(serial) = unassigned(self.ctx, self.user) {
            finding.detail.push_str(&format!(
                " The virtual device {serial} is there, but assigned to nobody: enrolling it was not finished."
            ));
            finding
                .evidence
                .insert("unassigned_device".to_owned(), json!(serial));
        }
        finding
    }

    /// Since when the user can sign in without MFA, as far as AWS tells.
    fn since(&self) -> DateTime<Utc> {
        let made_at = self.sign_in.password_made_at.unwrap_or(self.user.created_at);
        made_at.max(self.user.created_at)
    }

    fn require(&self) -> Judgement {
        let Self { ctx, user, .. } = self;
        let settings = &ctx.config.rules.user_mfa;
        let since = self.since();
        let mut finding = self.offence(
            Severity::High,
            format!("{} can sign in to the console without MFA", user.name),
            format!(
                "It has a console password since {} and no MFA device.",
                since.format("%Y-%m-%d")
            ),
        );
        if !stands_subject(ctx, &RULE, &mut finding) {
            return Judgement::bare(finding);
        }
        let text = OwnPolicy::RequireMfa.text();
        let remedy = Remedy {
            proposal: Proposal {
                inverse: Some(Inverse::DeleteInlinePolicy {
                    policy_name: text.policy_name.clone(),
                }),
                change: Change::RequireMfa(text),
            },
            precondition: self.precondition(None),
            since,
            withheld: None,
            report_only: false,
            needs_approval: false,
        };
        Judgement {
            finding,
            remedy: Some(remedy),
            announcement: Some(Announcement {
                event: Event::MfaMissing,
                // Every user's policy has the same name.
                subject: user.arn.to_string(),
                due: since,
                minimum_notice: settings.minimum_notice,
                warn_before: settings.warn_before.clone(),
                notices_count_after: self.settled_before(),
            }),
            reminder: None,
        }
    }

    fn lift(&self, policy: &InlinePolicy) -> Judgement {
        let Self { ctx, user, .. } = self;
        let mut finding = self.finding(FindingStatus::Warning, Severity::Low);
        finding.title = format!(
            "{} has an MFA device now and need not be made to use one",
            user.name
        );
        finding.detail = format!(
            "The policy {} that iamwarden put there is not needed any more.",
            policy.name
        );
        match ctx.standing(&RULE, &user.arn) {
            // It only gives back what iamwarden took.
            Standing::Exempt(exemption) => finding.detail.push_str(&format!(
                " That it is exempt until {} ({}) does not stand against taking the policy off.",
                exemption.until, exemption.reason
            )),
            Standing::Subject { .. } | Standing::Protected(_) | Standing::Own => {
                if !stands_subject(ctx, &RULE, &mut finding) {
                    return Judgement::bare(finding);
                }
            }
        }
        let text = OwnPolicy::RequireMfa.text();
        let remedy = Remedy {
            proposal: Proposal {
                change: Change::LiftMfaRequirement {
                    policy_name: text.policy_name.clone(),
                },
                inverse: Some(Inverse::PutInlinePolicy(text)),
            },
            precondition: self.precondition(Some(Digest::of_document(&policy.document))),
            since: ctx.snapshot.taken_at,
            withheld: None,
            report_only: false,
            needs_approval: false,
        };
        Judgement {
            remedy: Some(remedy),
            ..Judgement::bare(finding)
        }
    }

    fn precondition(&self, document: Option<Digest>) -> Precondition {
        Precondition::InlinePolicy {
            policy_name: OwnPolicy::RequireMfa.name().to_owned(),
            document,
            principal_id: self.user.id.clone(),
            grounds: Some(Grounds::SignIn {
                console_password: self.sign_in.console_password,
                mfa_devices: self.devices.to_vec(),
            }),
        }
    }

    /// What the owner was told before then was about another time: since then a device was active, or MFA was required, or
    /// that was undone.
    fn settled_before(&self) -> Option<DateTime<Utc>> {
        let Self { ctx, user, .. } = self;
        let seen = ctx.history.observations.get(&Observation::MfaDevice {
            user: user.arn.clone(),
        });
        let required = ctx.history.mfa_required.get(&user.arn).copied();
        let requiring = Change::RequireMfa(OwnPolicy::RequireMfa.text());
        let undone = ctx.history.rolled_back.get(&Target::of(&user.arn, &requiring));
        [
            seen.map(|seen| seen.last),
            required,
            undone.copied(),
            Some(user.created_at),
        ]
        .into_iter()
        .flatten()
        .max()
    }

    /// The action that requires MFA of this user.
    fn requiring(&self) -> ActionId {
        let change = Change::RequireMfa(OwnPolicy::RequireMfa.text());
        ActionId::of(&self.ctx.snapshot.account, &self.user.arn, &change)
    }

    fn required_already(&self) -> Judgement {
        let name = &self.user.name;
        let finding = self.offence(
            Severity::High,
            format!("{name} has to use MFA, and has no device yet"),
            format!(
                "The policy {} denies its console sessions all but enrolling a device; nothing else is done. It is taken off by \
                 the run that finds a device, or by `iamwarden rollback --action {}`.",
                OwnPolicy::RequireMfa.name(),
                self.requiring()
            ),
        );
        self.told(finding)
    }

    fn edited(&self) -> Judgement {
        let name = &self.user.name;
        let finding = self.offence(
            Severity::High,
            format!("{name} can sign in to the console without MFA"),
            format!(
                "It has a console password and no MFA device. Its inline policy {} is not as iamwarden writes it: somebody \
                 changed it, so it is left alone, and MFA is not required.",
                OwnPolicy::RequireMfa.name()
            ),
        );
        self.told(finding)
    }

    fn without_password(&self) -> Judgement {
        let name = &self.user.name;
        let finding = self.offence(
            Severity::Low,
            format!("{name} has no MFA device"),
            "It has no console password. Nothing is done: MFA can only be required of console sessions, and calls by access \
             key carry none."
                .to_owned(),
        );
        self.told(finding)
    }

    /// A policy of iamwarden's name that does no harm, and that nothing is done about.
    fn leftover(&self, why: &str) -> Judgement {
        let mut finding = self.finding(FindingStatus::Warning, Severity::Low);
        let policy = OwnPolicy::RequireMfa.name();
        finding.title = format!("The policy {policy} is still on {}", self.user.name);
        finding.detail = format!("As things are, {why}.");
        self.told(finding)
    }

    /// A finding that nothing is done about.
    fn told(&self, mut finding: Finding) -> Judgement {
        stands_subject(self.ctx, &RULE, &mut finding);
        Judgement::bare(finding)
    }
}

/// The virtual device of the user's name that nobody has.
fn unassigned<'a>(ctx: &Context<'a>, user: &User) -> Option<&'a str> {
    let devices = ctx.snapshot.virtual_mfa_devices.as_ref()?.known()?;
    let named = |serial: &str| {
        let name = Arn::parse(serial).ok().map(|arn| arn.name().to_owned());
        name.is_some_and(|name| name.eq_ignore_ascii_case(&user.name))
    };
    let free = devices.iter().filter(|device| device.holder.is_none());
    free.map(|device| device.serial_number.as_str())
        .find(|serial| named(serial))
}

/// Which of these users this reading shows with a device: what their owners were told before does not count once they are
/// without one again.
pub fn users_with_mfa<'a>(
    snapshot: &'a Snapshot,
    told: &'a BTreeSet<Arn>,
) -> impl Iterator<Item = Observation> + 'a {
    let users = snapshot.authorization.known().into_iter().flat_map(|a| &a.users);
    let told = users.filter(|user| told.contains(&user.arn));
    let with_device = told.filter(|user| {
        let known = user.sign_in.as_ref().and_then(Reading::known);
        known.is_some_and(|sign_in| match &sign_in.mfa {
            Mfa::Devices(serials) => !serials.is_empty(),
            Mfa::Reported(active) => *active,
            Mfa::NotAsked => false,
        })
    });
    with_device.map(|user| Observation::MfaDevice {
        user: user.arn.clone(),
    })
}
