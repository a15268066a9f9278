//! The credential report: a CSV made at most each four hours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::{Answer, Context};
use crate::account::{AccessKey, Account, Password, Uploaded};
use crate::seed::ReportSeed;
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

/// A report is not made again before it is this old.
const LIFETIME: TimeDelta = TimeDelta::hours(4);

const COLUMNS: [&str; 23] = [
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
    "additional_credentials_info",
];

/// An account's report: how it behaves, and what of it exists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    behaviour: ReportSeed,
    made: Option<Made>,
    pending: Option<Pending>,
}

#[derive(Debug, Clone)]
struct Made {
    at: DateTime<Utc>,
    csv: String,
}

#[derive(Debug, Clone)]
struct Pending {
    csv: String,
    polls_left: u32,
}

impl Report {
    /// The report as it stands at the start.
    pub(crate) fn planted(behaviour: &ReportSeed, account: &Account, now: DateTime<Utc>) -> Self {
        let made = behaviour.existing.resolve(now).map(|at| Made {
            at,
            csv: render(account, behaviour),
        });
        Self {
            behaviour: behaviour.clone(),
            made,
            pending: None,
        }
    }

    /// Changes the behaviour and forgets what there was.
    pub(crate) fn replace(&mut self, behaviour: &ReportSeed, account: &Account, now: DateTime<Utc>) {
        *self = Self::planted(behaviour, account, now);
    }

    /// The report of which at least `LIFETIME` has not passed.
    fn fresh(&self, now: DateTime<Utc>) -> bool {
        self.made.as_ref().is_some_and(|made| now - made.at < LIFETIME)
    }

    /// One call while a report is being made: after as many as set, it is there.
    fn poll(&mut self, now: DateTime<Utc>) {
        if self.behaviour.never_ready {
            return;
        }
        match &mut self.pending {
            Some(pending) if pending.polls_left > 0 => pending.polls_left -= 1,
            Some(_) => {
                let csv = self.pending.take().map(|pending| pending.csv).unwrap_or_default();
                self.made = Some(Made { at: now, csv });
            }
            None => {}
        }
    }

    fn refusal(&self) -> Result<(), AwsError> {
        let Some(code) = &self.behaviour.refused else {
            return Ok(());
        };
        let (status, message) = match code.as_str() {
            "LimitExceeded" => (409, "Too many credential reports were asked for."),
            "AccessDenied" => (
                403,
                "User is not authorized to perform: iam:GenerateCredentialReport",
            ),
            "ServiceFailure" => (
                500,
                "The request processing has failed because of an unknown error.",
            ),
            _ => (400, "Refused."),
        };
        Err(AwsError::new(code, status, message))
    }
}

pub(super) fn generate(cx: &mut Context<'_>) -> Answer {
    cx.report.refusal()?;
    let started = cx.report.pending.is_none() && !cx.report.fresh(cx.now);
    let mut xml = Xml::new();
    if started {
        let csv = render(cx.account, &cx.report.behaviour);
        cx.report.pending = Some(Pending {
            csv,
            polls_left: cx.report.behaviour.polls,
        });
        xml.text("State", "STARTED");
        xml.text(
            "Description",
            "No report exists. Starting a new report generation task",
        );
        return Ok(xml);
    }
    cx.report.poll(cx.now);
    xml.text(
        "State",
        if cx.report.pending.is_some() {
            "INPROGRESS"
        } else {
            "COMPLETE"
        },
    );
    Ok(xml)
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    cx.report.refusal()?;
    cx.report.poll(cx.now);
    let behaviour = &cx.report.behaviour;
    if behaviour.absent {
        return Err(not_present());
    }
    if cx.report.pending.is_some() {
        let message = "Credential report is still being generated.";
        return Err(AwsError::new("ReportInProgress", 404, message));
    }
    let made = cx.report.made.as_ref().ok_or_else(not_present)?;
    let stamp = behaviour.stamp.resolve(cx.now).unwrap_or(made.at);
    if let Some(oldest) = behaviour.expires.resolve(cx.now)
        && stamp < oldest
    {
        let message = "The credential report has expired. Generate a new report.";
        return Err(AwsError::new("ReportExpired", 410, message));
    }
    let mut xml = Xml::new();
    xml.text("Content", STANDARD.encode(&made.csv))
        .text("ReportFormat", "text/csv");
    xml.date("GeneratedTime", stamp);
    Ok(xml)
}

fn not_present() -> AwsError {
    AwsError::new(
        "ReportNotPresent",
        410,
        "No report is present. You must generate a new report.",
    )
}

fn date(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}

const NOT_APPLICABLE: &str = "N/A";

/// The whole report as CSV.
fn render(account: &Account, behaviour: &ReportSeed) -> String {
    if let Some(csv) = &behaviour.csv {
        return csv.clone();
    }
    let width = behaviour.columns.unwrap_or(COLUMNS.len()).min(COLUMNS.len());
    let mut lines = vec![COLUMNS[..width].join(","), root_row(account)[..width].join(",")];
    for user in account
        .users
        .values()
        .filter(|user| !behaviour.omit.contains(&user.principal.name))
    {
        let mut row = vec![
            user.principal.name.clone(),
            user.principal.arn(account),
            date(user.principal.created),
        ];
        row.extend(password_fields(user.password.as_ref(), account));
        row.push((!user.mfa.is_empty()).to_string());
        row.extend(credential_fields(&user.keys, &user.certificates));
        lines.push(row[..width].join(","));
    }
    lines.join("\n")
}

fn root_row(account: &Account) -> Vec<String> {
    let root = &account.root;
    let last_used = root
        .password_last_used
        .map_or_else(|| "no_information".to_owned(), date);
    let unsupported = "not_supported".to_owned();
    let mut row = vec![
        "<root_account>".to_owned(),
        format!("arn:{}:iam::{}:root", account.partition, account.id),
        date(root.created),
        unsupported.clone(),
        last_used,
        unsupported.clone(),
        unsupported,
        (!root.mfa.is_empty()).to_string(),
    ];
    row.extend(credential_fields(&root.keys, &root.certificates));
    row
}

fn password_fields(password: Option<&Password>, account: &Account) -> [String; 4] {
    let Some(password) = password else {
        return ["false", NOT_APPLICABLE, NOT_APPLICABLE, NOT_APPLICABLE].map(str::to_owned);
    };
    let age = account
        .password_policy
        .as_ref()
        .and_then(|policy| policy.max_password_age);
    let rotation = age.map(|days| password.last_changed + TimeDelta::days(i64::from(days)));
    [
        "true".to_owned(),
        password
            .last_used
            .map_or_else(|| "no_information".to_owned(), date),
        date(password.last_changed),
        rotation.map_or_else(|| NOT_APPLICABLE.to_owned(), date),
    ]
}

/// Two keys and two certificates, oldest first.
fn credential_fields(keys: &[AccessKey], certificates: &[Uploaded]) -> Vec<String> {
    let mut keys: Vec<&AccessKey> = keys.iter().collect();
    keys.sort_by_key(|key| key.created);
    let mut fields = Vec::new();
    for index in 0..2 {
        let none = || NOT_APPLICABLE.to_owned();
        let key = keys.get(index);
        let used = key.and_then(|key| key.last_used.as_ref());
        fields.push(key.is_some_and(|key| key.status == "Active").to_string());
        fields.push(key.map_or_else(none, |key| date(key.created)));
        fields.push(used.map_or_else(none, |used| date(used.at)));
        fields.push(used.map_or_else(none, |used| used.region.clone()));
        fields.push(used.map_or_else(none, |used| used.service.clone()));
    }
    let mut certificates: Vec<&Uploaded> = certificates.iter().collect();
    certificates.sort_by_key(|certificate| certificate.at);
    for index in 0..2 {
        let certificate = certificates.get(index);
        fields.push(certificate.is_some_and(|one| one.status == "Active").to_string());
        fields.push(certificate.map_or_else(|| NOT_APPLICABLE.to_owned(), |one| date(one.at)));
    }
    fields.push(NOT_APPLICABLE.to_owned());
    fields
}
