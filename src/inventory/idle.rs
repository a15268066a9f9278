//! Who does not sign in any more, and what else they could sign in with.
//!
//! The credential report is a hint: a password that it shows used, or set, lately is in use. Any other is looked at live,
//! with `GetLoginProfile` and `GetUser`, and so is every user without a usable report. Credentials that the report knows
//! nothing of (SSH keys, signing certificates, service-specific credentials) are listed only for users whose password and
//! keys all rest: for the others they decide nothing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::collect::Look;
use super::sign_in::LoginProfile;
use super::{Credentials, Gap, LastUsed, Reading, ReportRow, User};
use crate::aws::{AwsError, ErrorKind};
use crate::model::{KeyStatus, Span};

/// What the rules have to know of idleness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleNeeds {
    /// Passwords that rest for so long are read live.
    pub password_unused_for: Span,
    /// Other credentials of users who rest for so long are listed; `None`: no rule asks.
    pub user_unused_for: Option<Span>,
}

/// How a console password is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordUse {
    /// When it was made, as `GetLoginProfile` says; `None`: only the report was asked, since it is in use.
    pub made_at: Option<DateTime<Utc>>,
    /// When it was last set, as the report says; `None`: it does not say.
    pub last_changed: Option<DateTime<Utc>>,
    /// When it was last used; `None`: never, as far as AWS knows.
    pub last_used: Option<DateTime<Utc>>,
}

impl PasswordUse {
    /// The latest sign of life: a use, or somebody setting it. `None`: there is no date at all.
    pub fn active_at(&self) -> Option<DateTime<Utc>> {
        let Self {
            made_at,
            last_changed,
            last_used,
        } = self;
        [*made_at, *last_changed, *last_used].into_iter().flatten().max()
    }
}

/// A credential of which AWS does not say when it was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OtherCredential {
    /// What it is.
    pub kind: OtherCredentialKind,
    /// Its id.
    pub id: String,
    /// Whether it works.
    pub active: bool,
}

/// The kinds of credential of which AWS does not say when they were used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherCredentialKind {
    /// For CodeCommit over SSH.
    SshPublicKey,
    /// An X.509 certificate.
    SigningCertificate,
    /// A user name and password for one service, or an API key.
    ServiceSpecificCredential,
}

impl OtherCredentialKind {
    /// As people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SshPublicKey => "SSH public key",
            Self::SigningCertificate => "signing certificate",
            Self::ServiceSpecificCredential => "service-specific credential",
        }
    }
}

/// What a look at an idle user found.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) password: Reading<Option<PasswordUse>>,
    pub(super) others: Option<Reading<Vec<OtherCredential>>>,
}

impl Look<'_> {
    /// How the user's password is used, and what else it has where all of it rests. `None`: the user is gone.
    pub(super) async fn idle(&self, user: &User, needs: IdleNeeds, asked: &LoginProfile) -> Option<Idle> {
        let password = match self.reported_use(user, needs.password_unused_for) {
            Some(known) => Reading::Known(known),
            None => match self.live_use(user, asked).await {
                Ok(live) => Reading::Known(live),
                Err(Some(gap)) => Reading::Unknown(gap),
                Err(None) => return None,
            },
        };
        let asks = needs
            .user_unused_for
            .is_some_and(|span| rests(user, &password, span, self.now));
        let others = match asks {
            false => None,
            true => match self.other_credentials(user).await {
                Ok(others) => Some(Reading::Known(others)),
                Err(Some(gap)) => Some(Reading::Unknown(gap)),
                Err(None) => return None,
            },
        };
        Some(Idle { password, others })
    }

    fn row(&self, user: &User) -> Option<&ReportRow> {
        let report = self.report.ok()?;
        let row = report.rows.row(&user.arn)?.as_ref().ok()?;
        // A namesake took the place of the user whom the report describes.
        (row.user_created_at == user.created_at).then_some(row)
    }

    /// What the report says, where that is enough: there is no password, or it is in use.
    fn reported_use(&self, user: &User, unused_for: Span) -> Option<Option<PasswordUse>> {
        let row = self.row(user)?;
        let Some(password) = &row.password else {
            return (row.console_password == Some(false)).then_some(None);
        };
        let told = PasswordUse {
            made_at: None,
            last_changed: password.last_changed,
            last_used: password.last_used,
        };
        let lively = told
            .active_at()
            .is_some_and(|at| self.now - at <= unused_for.delta());
        lively.then_some(Some(told))
    }

    /// What AWS says when asked; `None` in place of a gap: the user is gone.
    async fn live_use(&self, user: &User, asked: &LoginProfile) -> Result<Option<PasswordUse>, Option<Gap>> {
        let Some(made_at) = self.login_profile(user, asked).await.map_err(Some)? else {
            return Ok(None);
        };
        self.outage.bars(&user.arn).map_or(Ok(()), |gap| Err(Some(gap)))?;
        let live = gone_is_none(self.outage.note(self.reader.user(&user.arn).await))?;
        let told = self.row(user).and_then(|row| row.password.as_ref());
        Ok(Some(PasswordUse {
            made_at: Some(made_at),
            last_changed: told.and_then(|told| told.last_changed),
            last_used: live.password_last_used,
        }))
    }

    async fn other_credentials(&self, user: &User) -> Result<Vec<OtherCredential>, Option<Gap>> {
        let mut all = Vec::new();
        self.outage.bars(&user.arn).map_or(Ok(()), |gap| Err(Some(gap)))?;
        all.extend(gone_is_none(
            self.outage.note(self.reader.ssh_public_keys(&user.arn).await),
        )?);
        all.extend(gone_is_none(
            self.outage
                .note(self.reader.signing_certificates(&user.arn).await),
        )?);
        all.extend(gone_is_none(
            self.outage
                .note(self.reader.service_specific_credentials(&user.arn).await),
        )?);
        all.sort();
        Ok(all)
    }
}

fn gone_is_none<T>(answer: Result<T, AwsError>) -> Result<T, Option<Gap>> {
    answer.map_err(|error| (error.kind != ErrorKind::Gone).then(|| Gap::from(&error)))
}

/// Whether the user is older than that, and neither its password nor any key shows life within it.
fn rests(user: &User, password: &Reading<Option<PasswordUse>>, span: Span, now: DateTime<Utc>) -> bool {
    let long_ago = |at: DateTime<Utc>| now - at > span.delta();
    let password_rests = match password {
        Reading::Known(None) => true,
        Reading::Known(Some(known)) => known.active_at().is_some_and(long_ago),
        Reading::Unknown(_) => false,
    };
    let credentials = user.credentials.as_ref().and_then(Reading::known);
    password_rests && long_ago(user.created_at) && credentials.is_some_and(|known| keys_rest(known, long_ago))
}

fn keys_rest(credentials: &Credentials, long_ago: impl Fn(DateTime<Utc>) -> bool) -> bool {
    credentials.access_keys.iter().all(|key| match key.status {
        KeyStatus::Inactive | KeyStatus::Expired => true,
        KeyStatus::Active | KeyStatus::Other(_) => match &key.last_used {
            Reading::Known(LastUsed::Never) => long_ago(key.created_at),
            Reading::Known(LastUsed::At { at, .. }) => long_ago(*at) && long_ago(key.created_at),
            Reading::Unknown(_) => false,
        },
    })
}
