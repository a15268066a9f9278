//! `root_account`: the root user is not as safe as it must be, or is used.
//!
//! **Finds**, each as a finding of its own: no MFA device; with `require_hardware`, a virtual device where a hardware key or
//! passkey should be; access keys, active or not, for an inactive one is a click from working; active signing certificates; use
//! of the password or of a key within `recent_use`. A root user with no password, no keys and no certificates, as in member
//! accounts whose root credentials are managed centrally, has nothing to protect and complies.
//!
//! Two sources are held against each other: `GetAccountSummary`, which is live, and the credential report's row
//! `<root_account>`, which may be hours old. Where one was read, what it says of a danger counts; a pass takes the live one.
//! Where they contradict each other there is no verdict, and that is told as loudly as a violation. Only the report knows of
//! use, so without it use is unknown. Whether a device is virtual comes from `ListVirtualMFADevices`; AWS does not tell
//! hardware keys from passkeys that are synced between devices.
//!
//! **Does** nothing: nobody but root can put it right. In `approve` and `enforce` the owner of the account is told at once, with
//! the steps, and again every `remind_every` as long as it stands; in `report` it stands in the digest.
//!
//! **Answers** AWS's guide "Security best practices in IAM" (protect your root user credentials), the IAM user guide's "Root user
//! best practices", and CIS AWS Foundations Benchmark v3.0.0, 1.4 to 1.7.
//!
//! **Prowler** looks at the same facts in five checks. `iam_root_mfa_enabled`, `iam_root_hardware_mfa_enabled` and
//! `iam_no_root_access_key` say nothing at all of an account whose report does not show a root password as `true`, as older
//! reports do (`not_supported`); here such a root user counts as having one. `iam_root_mfa_enabled` believes the report alone, which
//! is hours old. `iam_root_hardware_mfa_enabled` takes every virtual device for root's whose owner's ARN has `root` in it, such as
//! `user/groot`, and fails root without any MFA a second time; here that is one finding. `iam_no_root_access_key` passes
//! inactive keys. `iam_avoid_root_usage` looks back one day, where CIS 1.7 asks for use to be watched and `recent_use` is 30
//! days, and does not look at keys where the password was ever used.

mod sources;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use self::sources::{Verdict, weigh};
use super::access_key::last_use_sentence;
use super::judgement::{evidence, stands_subject};
use super::{CONTROLS_FACT, Context, Judgement, Practice, Reminder, Rule};
use crate::inventory::{AccessKey, LastUsed, Reading, RootReport, RootSummary, RootUser};
use crate::model::{Event, Finding, FindingStatus, KeyStatus, RuleName, Severity, instant};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("root_account");

pub(super) const ENTRY: Rule = Rule {
    name: "root_account",
    summary: "the root user: MFA, access keys, use",
    check,
    mode: |config| config.rules.root_account.mode,
    schedule: |config| config.rules.root_account.schedule.as_ref(),
    changes: |_| Vec::new(),
    source: include_str!("mod.rs"),
    practice: Practice::Mfa,
    controls: &["1.4", "1.5", "1.6", "1.7"],
};

/// What a look at one aspect comes to.
#[allow(clippy::large_enum_variant, reason = "there are four of them at a time")]
enum Aspect {
    Fine,
    /// With a verdict, or none because the sources contradict each other.
    Told(Finding),
    /// What could not be found out.
    Unknown(Topic),
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
struct Topic {
    /// What distinguishes its finding from the others.
    subject: &'static str,
    /// What people call it.
    title: &'static str,
    /// The recommendations of the benchmark that fail with it.
    controls: &'static [&'static str],
}

const MFA: Topic = Topic {
    subject: "mfa",
    title: "MFA",
    // Without any device there is no hardware one either.
    controls: &["1.5", "1.6"],
};
const HARDWARE: Topic = Topic {
    subject: "hardware-mfa",
    title: "kind of MFA device",
    controls: &["1.6"],
};
const KEYS: Topic = Topic {
    subject: "access-keys",
    title: "access keys",
    controls: &["1.4"],
};
const CERTIFICATES: Topic = Topic {
    subject: "signing-certificates",
    title: "signing certificates",
    controls: &[],
};
const USE: Topic = Topic {
    subject: "use",
    title: "use",
    controls: &["1.7"],
};

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let Some(user) = &ctx.snapshot.root else {
        let why = "The snapshot was taken without the root user.";
        return vec![undecided(ctx, &[MFA, KEYS, CERTIFICATES, USE], why)];
    };
    let root = Root {
        ctx,
        user,
        summary: user.summary.known(),
        report: user.report.known(),
    };
    if root.has_no_credentials() {
        return Vec::new();
    }
    let mut judgements = Vec::new();
    let mut unknown = Vec::new();
    for aspect in [
        root.mfa(),
        root.hardware(),
        root.keys(),
        root.certificates(),
        root.usage(),
    ] {
        match aspect {
            Aspect::Fine => {}
            Aspect::Told(finding) => judgements.push(told(ctx, finding)),
            Aspect::Unknown(what) => unknown.push(what),
        }
    }
    if !unknown.is_empty() {
        judgements.push(undecided(ctx, &unknown, &root.why_unknown()));
    }
    judgements
}

/// What the owner hears at once, unless it is exempt.
fn told(ctx: &Context<'_>, mut finding: Finding) -> Judgement {
    let subject = stands_subject(ctx, &RULE, &mut finding);
    Judgement {
        reminder: subject.then_some(Reminder {
            event: Event::RootAccountAtRisk,
            every: ctx.config.rules.root_account.remind_every,
        }),
        ..Judgement::bare(finding)
    }
}

fn undecided(ctx: &Context<'_>, topics: &[Topic], why: &str) -> Judgement {
    let root = ctx.account_root();
    let mut finding = ctx.finding(&RULE, &root, "unread", FindingStatus::Unknown, Severity::Medium);
    let titles: Vec<_> = topics.iter().map(|topic| topic.title).collect();
    let controls: Vec<_> = topics.iter().flat_map(|topic| topic.controls).collect();
    finding.title = format!("No verdict on the root user's {}", titles.join(", "));
    finding.detail = format!("{why} Nothing is concluded from what is missing.");
    finding.evidence = evidence([(CONTROLS_FACT, json!(controls))]);
    finding.owner = ctx.account_owner();
    Judgement::bare(finding)
}

/// The root user, as two sources describe it.
struct Root<'a> {
    ctx: &'a Context<'a>,
    user: &'a RootUser,
    summary: Option<&'a RootSummary>,
    report: Option<&'a RootReport>,
}

impl Root<'_> {
    fn finding(&self, topic: Topic, status: FindingStatus) -> Finding {
        let Self {
            ctx, summary, report, ..
        } = self;
        let mut finding = ctx.finding(
            &RULE,
            &ctx.account_root(),
            topic.subject,
            status,
            Severity::Critical,
        );
        finding.evidence = evidence([
            (CONTROLS_FACT, json!(topic.controls)),
            ("summary_read", json!(summary.is_some())),
            (
                "report_made_at",
                json!(report.and(ctx.snapshot.credential_report_at)),
            ),
        ]);
        finding.owner = ctx.account_owner();
        finding
    }

    fn violation(&self, topic: Topic, title: String, detail: String, fact: (&str, Value)) -> Aspect {
        let mut finding = self.finding(topic, FindingStatus::Violation);
        finding.title = title;
        finding.detail = detail;
        finding.evidence.insert(fact.0.to_owned(), fact.1);
        Aspect::Told(finding)
    }

    /// The sources disagree: `danger` is what one of them says, `safety` the other.
    fn contradiction(&self, topic: Topic, live_danger: bool, [danger, safety]: [&str; 2]) -> Aspect {
        let mut finding = self.finding(topic, FindingStatus::Unknown);
        let (live, reported) = match live_danger {
            true => (danger, safety),
            false => (safety, danger),
        };
        finding.title = format!(
            "Sources contradict each other about the root user's {}",
            topic.title
        );
        finding.detail = format!(
            "The account's summary says now that it {live}; {} says that it {reported}. One of them is behind, which a new \
             report, made every four hours, settles; look at once whether somebody changed it.",
            self.report_name()
        );
        let facts = json!({"summary_says_at_risk": live_danger});
        finding.evidence.insert("contradiction".to_owned(), facts);
        Aspect::Told(finding)
    }

    /// How the report is called in a sentence.
    fn report_name(&self) -> String {
        match self.ctx.snapshot.credential_report_at {
            Some(at) => format!("the credential report of {}", instant(at)),
            None => "the credential report".to_owned(),
        }
    }

    fn why_unknown(&self) -> String {
        let devices = self.ctx.snapshot.virtual_mfa_devices.as_ref();
        let gaps = [
            self.user.summary.gap(),
            self.user.report.gap(),
            devices.and_then(Reading::gap),
        ];
        let failures: Vec<_> = gaps
            .into_iter()
            .flatten()
            .map(|gap| format!("{} failed: {}.", gap.operation, gap.detail))
            .collect();
        match failures.is_empty() {
            true => "What was read does not tell.".to_owned(),
            false => failures.join(" "),
        }
    }

    /// Nothing to sign in with, so nothing to protect.
    fn has_no_credentials(&self) -> bool {
        let told = (
            self.summary.and_then(|summary| summary.password),
            self.report.and_then(|report| report.password),
        );
        let no_password = match told {
            (Some(false), Some(false) | None) | (None, Some(false)) => true,
            (Some(true), _) | (Some(false), Some(true)) | (None, Some(true) | None) => false,
        };
        no_password && self.keys_verdict() == Verdict::Safe && self.certificates_verdict() == Verdict::Safe
    }

    fn mfa_verdict(&self) -> Verdict {
        weigh(
            self.summary.map(|summary| !summary.mfa),
            self.report.and_then(|report| report.mfa).map(|active| !active),
        )
    }

    fn mfa(&self) -> Aspect {
        match self.mfa_verdict() {
            Verdict::Safe => Aspect::Fine,
            Verdict::Unknown => Aspect::Unknown(MFA),
            Verdict::Contradiction { live } => {
                self.contradiction(MFA, live, ["has no MFA device", "has one"])
            }
            Verdict::AtRisk => self.violation(
                MFA,
                "The root user has no MFA device".to_owned(),
                "Whoever knows its password can do everything in the account, and nothing can stop them."
                    .to_owned(),
                ("mfa", json!(false)),
            ),
        }
    }

    fn hardware(&self) -> Aspect {
        let settings = &self.ctx.config.rules.root_account;
        if !settings.require_hardware || self.mfa_verdict() != Verdict::Safe {
            return Aspect::Fine;
        }
        let Some(Reading::Known(devices)) = &self.ctx.snapshot.virtual_mfa_devices else {
            return Aspect::Unknown(HARDWARE);
        };
        let root = self.ctx.account_root();
        let held: Vec<_> = devices
            .iter()
            .filter(|device| device.holder.as_ref() == Some(&root))
            .map(|device| device.serial_number.as_str())
            .collect();
        match held.as_slice() {
            [] => Aspect::Fine,
            held => self.violation(HARDWARE,
                "The root user's MFA device is a virtual one".to_owned(),
                format!(
                    "{} is an app, whose secret can be copied; a hardware key or passkey is required (require_hardware).",
                    held.join(", ")
                ),
                ("virtual_mfa_devices", json!(held)),
            ),
        }
    }

    fn keys_verdict(&self) -> Verdict {
        let reported = self.report.map(|report| report.access_keys.as_slice());
        let live = self.summary.map(|summary| summary.access_keys);
        // The summary need not count keys that are inactive.
        let only_inactive = reported.is_some_and(|keys| !keys.is_empty() && !keys.iter().any(is_active));
        let live = live.filter(|present| *present || !only_inactive);
        weigh(live, reported.map(|keys| !keys.is_empty()))
    }

    fn keys(&self) -> Aspect {
        let keys = self
            .report
            .map_or(&[] as &[AccessKey], |report| &report.access_keys);
        match self.keys_verdict() {
            Verdict::Safe => Aspect::Fine,
            Verdict::Unknown => Aspect::Unknown(KEYS),
            Verdict::Contradiction { live } => self.contradiction(KEYS, live, ["has some", "has none"]),
            Verdict::AtRisk => {
                let active = keys.iter().filter(|key| is_active(key)).count();
                let title = match (active, keys.len() - active) {
                    (0, 0) => "The root user has access keys".to_owned(),
                    (0, n) => format!("The root user has {}", numbered(n, "inactive")),
                    (n, 0) => format!("The root user has {}", numbered(n, "active")),
                    (n, m) => format!("The root user has {n} active and {}", numbered(m, "inactive")),
                };
                let mut sentences =
                    vec!["Whoever has such a key can do everything in the account, without MFA.".to_owned()];
                sentences.extend(keys.iter().map(|key| {
                    format!(
                        "One is {}, made on {}. {}",
                        key.status.as_str().to_lowercase(),
                        key.created_at.format("%Y-%m-%d"),
                        last_use_sentence(key, self.ctx.now)
                    )
                }));
                let facts = keys.iter().map(|key| {
                    json!({
                        "status": key.status.as_str(),
                        "created_at": key.created_at,
                        "last_used": key.last_used.known().map(LastUsed::at),
                    })
                });
                self.violation(KEYS, title, sentences.join(" "), ("access_keys", facts.collect()))
            }
        }
    }

    fn certificates_verdict(&self) -> Verdict {
        let live = self.summary.and_then(|summary| summary.signing_certificates);
        let reported = self.report.and_then(|report| report.signing_certificates);
        // The report tells of active ones alone.
        weigh(live, reported.filter(|active| *active || live != Some(true)))
    }

    fn certificates(&self) -> Aspect {
        match self.certificates_verdict() {
            Verdict::Safe => Aspect::Fine,
            Verdict::Unknown => Aspect::Unknown(CERTIFICATES),
            Verdict::Contradiction { live } => {
                self.contradiction(CERTIFICATES, live, ["has some", "has none"])
            }
            Verdict::AtRisk => self.violation(
                CERTIFICATES,
                "The root user has signing certificates".to_owned(),
                "Whoever has the private key of one can act as root by old interfaces (SOAP), without MFA."
                    .to_owned(),
                ("signing_certificates", json!(true)),
            ),
        }
    }

    fn usage(&self) -> Aspect {
        let Some(report) = self.report else {
            return Aspect::Unknown(USE);
        };
        let recent = self.ctx.config.rules.root_account.recent_use;
        let is_recent = |at: &DateTime<Utc>| self.ctx.now - *at <= recent.delta();
        let password = report.password_last_used.filter(is_recent);
        let mut unread = false;
        let mut uses: Vec<(DateTime<Utc>, String)> = Vec::new();
        uses.extend(password.map(|at| (at, format!("Its password was used on {}.", instant(at)))));
        for key in &report.access_keys {
            match &key.last_used {
                Reading::Known(LastUsed::Never) => {}
                Reading::Known(LastUsed::At { at, service, .. }) if is_recent(at) => {
                    let of = service.as_ref().map(|s| format!(" for {s}")).unwrap_or_default();
                    uses.push((*at, format!("An access key was used on {}{of}.", instant(*at))));
                }
                Reading::Known(LastUsed::At { .. }) => {}
                Reading::Unknown(_) => unread = true,
            }
        }
        uses.sort();
        match uses.last() {
            None if unread => Aspect::Unknown(USE),
            None => Aspect::Fine,
            Some((last, _)) => {
                let sentences: Vec<_> = uses.iter().rev().map(|(_, sentence)| sentence.as_str()).collect();
                self.violation(
                    USE,
                    format!("The root user was used on {}", last.format("%Y-%m-%d")),
                    format!(
                        "{} Within {recent} that offends: if nobody knows why, somebody else was it.",
                        sentences.join(" ")
                    ),
                    ("last_used_at", json!(last)),
                )
            }
        }
    }
}

fn is_active(key: &AccessKey) -> bool {
    match key.status {
        KeyStatus::Active => true,
        KeyStatus::Inactive | KeyStatus::Expired | KeyStatus::Other(_) => false,
    }
}

fn numbered(count: usize, kind: &str) -> String {
    match count {
        1 => format!("1 {kind} access key"),
        _ => format!("{count} {kind} access keys"),
    }
}
