//! How users sign in to the console, and what the root user can sign in with.
//!
//! Users: the credential report first, which is hours old, so it is believed only where it says that nothing is wrong.
//! Whoever it shows without MFA, does not describe, or contradicts itself about, is asked for live: `GetLoginProfile`, and
//! `ListMFADevices` where the answer matters. Without a usable report that is everybody.
//!
//! The root user: two sources side by side, the account's summary and the report's row. The rule compares them.

use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;

use super::collect::{Look, Report};
use super::{CredentialReport, Gap, GapCause, Mfa, Reading, RootReport, RootRow, SignIn, User, keys};
use crate::aws::{ErrorKind, operation};
use crate::model::{Arn, OwnPolicy};

/// Of whom it matters whether there is an MFA device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInOf {
    /// Of users with a console password.
    ConsoleUsers,
    /// Of every user.
    Everyone,
}

/// When a user's console password was made, asked for once at most, whoever needs it.
#[derive(Debug, Default)]
pub(super) struct LoginProfile(OnceCell<Result<Option<DateTime<Utc>>, Gap>>);

impl Look<'_> {
    /// When the user's console password was made; `None`: it has none.
    pub(super) async fn login_profile(
        &self,
        user: &User,
        asked: &LoginProfile,
    ) -> Result<Option<DateTime<Utc>>, Gap> {
        let ask = || async {
            if let Some(gap) = self.outage.bars(&user.arn) {
                return Err(gap);
            }
            let read = self.reader.login_profile(&user.arn).await;
            self.outage.note(read).map_err(|error| Gap::from(&error))
        };
        asked.0.get_or_init(ask).await.clone()
    }

    /// How the user signs in; `None`: the user is gone.
    pub(super) async fn sign_in(
        &self,
        user: &User,
        of: SignInOf,
        asked: &LoginProfile,
    ) -> Option<Reading<SignIn>> {
        let report = self.report.ok().map(|report| &report.rows);
        if let Some(told) = report.and_then(|report| reported(user, report, of)) {
            return Some(Reading::Known(told));
        }
        let password_made_at = match self.login_profile(user, asked).await {
            Ok(made_at) => made_at,
            Err(gap) => return Some(Reading::Unknown(gap)),
        };
        let matters = password_made_at.is_some() || of == SignInOf::Everyone || carries_requirement(user);
        let mfa = match matters {
            false => Mfa::NotAsked,
            true => match self.mfa_devices(user).await {
                Ok(serials) => Mfa::Devices(serials),
                Err(Some(gap)) => return Some(Reading::Unknown(gap)),
                Err(None) => return None,
            },
        };
        Some(Reading::Known(SignIn {
            console_password: password_made_at.is_some(),
            password_made_at,
            mfa,
        }))
    }

    /// The serial numbers of the user's devices; `None` in place of a gap: the user is gone.
    async fn mfa_devices(&self, user: &User) -> Result<Vec<String>, Option<Gap>> {
        self.outage.bars(&user.arn).map_or(Ok(()), |gap| Err(Some(gap)))?;
        match self.outage.note(self.reader.mfa_devices(&user.arn).await) {
            Ok(serials) => Ok(serials),
            Err(error) if error.kind == ErrorKind::Gone => Err(None),
            Err(error) => Err(Some(Gap::from(&error))),
        }
    }
}

/// Whether a policy of the name of iamwarden's own is on the user: then it matters whether it may be taken off again.
fn carries_requirement(user: &User) -> bool {
    user.inline
        .iter()
        .any(|policy| policy.name == OwnPolicy::RequireMfa.name())
}

/// What the report says of a user, where that is enough: nothing is wrong, and there is nothing to take off again.
fn reported(user: &User, report: &CredentialReport, of: SignInOf) -> Option<SignIn> {
    let row = report.row(&user.arn)?.as_ref().ok()?;
    // A namesake took the place of the user whom the report describes.
    if row.user_created_at != user.created_at || carries_requirement(user) {
        return None;
    }
    let (console_password, active) = (row.console_password?, row.mfa_active?);
    let harmless = active || (!console_password && of == SignInOf::ConsoleUsers);
    harmless.then_some(SignIn {
        console_password,
        password_made_at: None,
        mfa: Mfa::Reported(active),
    })
}

/// The root user in the report, if there is a report that can be used.
pub(super) fn root(report: Result<&Report, &Gap>, root: &Arn) -> Reading<RootReport> {
    let unusable = |detail: String| {
        Reading::Unknown(Gap {
            operation: operation::GET_CREDENTIAL_REPORT.to_owned(),
            resource: Some(root.clone()),
            cause: GapCause::Unusable,
            detail,
        })
    };
    match report.map(|report| report.rows.root()) {
        Err(gap) => Reading::Unknown(gap.clone()),
        Ok(None) => unusable("the report has no row of the root user".to_owned()),
        Ok(Some(Err(contradiction))) => unusable(format!(
            "the row of the root user contradicts itself: {contradiction}"
        )),
        Ok(Some(Ok(row))) => {
            let RootRow {
                password,
                password_last_used,
                mfa_active,
                keys,
                signing_certificates,
            } = row;
            Reading::Known(RootReport {
                password: *password,
                password_last_used: *password_last_used,
                mfa: *mfa_active,
                access_keys: keys::keys_of(root, keys),
                signing_certificates: *signing_certificates,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::InlinePolicy;
    use crate::rules::fixture::{now, user};

    const HEADER: &str = "arn,user_creation_time,password_enabled,password_last_used,password_last_changed,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service";

    fn report(user: &User, password: &str, mfa: &str) -> CredentialReport {
        let none = "false,N/A,N/A,N/A,N/A";
        let made = user.created_at.to_rfc3339();
        let text = format!(
            "{HEADER}\n{},{made},{password},N/A,N/A,{mfa},{none},{none}\n",
            user.arn
        );
        CredentialReport::parse(text.as_bytes(), now()).unwrap()
    }

    /// Whether the user is looked at live: whoever offends, and whoever the report leaves in doubt.
    #[test]
    fn the_report_is_believed_only_where_it_says_that_nothing_is_wrong() {
        use SignInOf::{ConsoleUsers, Everyone};
        let alice = user("alice", Vec::new());
        for (password, mfa, of, enough) in [
            ("true", "true", ConsoleUsers, true),
            ("false", "false", ConsoleUsers, true),
            ("false", "true", Everyone, true),
            ("true", "false", ConsoleUsers, false),
            ("false", "false", Everyone, false),
            ("true", "not_supported", ConsoleUsers, false),
            ("not_supported", "true", ConsoleUsers, false),
            ("maybe", "true", ConsoleUsers, false),
        ] {
            let told = reported(&alice, &report(&alice, password, mfa), of);
            assert_eq!(told.is_some(), enough, "{password} {mfa} {of:?}");
        }
        let fine = report(&alice, "true", "true");
        let mut namesake = alice.clone();
        namesake.created_at += chrono::TimeDelta::seconds(1);
        assert_eq!(reported(&namesake, &fine, ConsoleUsers), None);
        assert_eq!(reported(&user("bob", Vec::new()), &fine, ConsoleUsers), None);
        let mut bound = alice;
        bound.inline.push(InlinePolicy {
            name: OwnPolicy::RequireMfa.name().to_owned(),
            document: "{}".to_owned(),
        });
        assert_eq!(
            reported(&bound, &fine, ConsoleUsers),
            None,
            "it may be due to be taken off"
        );
    }
}
