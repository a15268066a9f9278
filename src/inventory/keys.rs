//! Which users' keys have to be looked at live, and how what was seen joins what the report says. Pure.
//!
//! The credential report is a hint for where to look: it has no key ids, and it may be hours old. It suffices for keys
//! that are far from every limit; the others are read by `ListAccessKeys`, one call per user.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{
    AccessKey, CredentialReport, Credentials, Gap, GapCause, LastUsed, Reading, ReportKey, ReportRow, User,
};
use crate::aws::{KeyDescription, operation};
use crate::model::{Arn, KeyStatus, Span};

/// What the rules have to know about access keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyNeeds {
    /// Active keys of this age and older are read live: `max_age`, less the longest warning before it.
    pub oldest_harmless_age: Span,
    /// Active keys not used for so long are read live, and their last use has to be known; `None`: no rule asks.
    pub unused_for: Option<Span>,
    /// Users whose keys are read live in any case, with the last use of each: those with a key awaiting deletion.
    pub live_users: BTreeSet<Arn>,
}

impl KeyNeeds {
    /// Whether a key of this age can be near a limit of age or of disuse, whenever it was used.
    fn is_near_a_limit(&self, age: chrono::TimeDelta) -> bool {
        age >= self.oldest_harmless_age.delta() || self.unused_for.is_some_and(|span| age >= span.delta())
    }

    /// Whether an active key, as the report has it, has to be looked at closer.
    fn asks_for(&self, created_at: DateTime<Utc>, last_used: Option<&LastUsed>, now: DateTime<Utc>) -> bool {
        let age = now - created_at;
        // Without information on its use, a key counts as unused here: that only makes it looked at.
        let idle_since = last_used.and_then(LastUsed::at).unwrap_or(created_at);
        let idle = self
            .unused_for
            .is_some_and(|span| now - idle_since >= span.delta() && age >= span.delta());
        age >= self.oldest_harmless_age.delta() || idle
    }
}

/// Where to read a user's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place<'r> {
    /// The report says enough.
    Report(&'r ReportRow),
    /// AWS has to be asked; the report may help to join their last use.
    Live(Option<&'r ReportRow>),
    /// The user is too young for the report, and for any limit.
    Nowhere,
    /// The report contradicts itself about this user.
    Unclear(Gap),
}

/// Decides where to read a user's keys, given a report that can be used.
pub(super) fn place<'r>(
    user: &User,
    report: &'r CredentialReport,
    needs: Option<&KeyNeeds>,
    now: DateTime<Utc>,
) -> Place<'r> {
    let forced = needs.is_some_and(|needs| needs.live_users.contains(&user.arn));
    let row = match report.row(&user.arn) {
        Some(Ok(row)) => row,
        Some(Err(contradiction)) => {
            return Place::Unclear(Gap {
                operation: operation::GET_CREDENTIAL_REPORT.to_owned(),
                resource: Some(user.arn.clone()),
                cause: GapCause::Unusable,
                detail: format!("the row of the report contradicts itself: {contradiction}"),
            });
        }
        None => {
            // No key is older than its user.
            let young = needs.is_none_or(|needs| !needs.is_near_a_limit(now - user.created_at));
            return if young && !forced {
                Place::Nowhere
            } else {
                Place::Live(None)
            };
        }
    };
    // A namesake took the place of the user whom the report describes.
    if row.user_created_at != user.created_at {
        return Place::Live(None);
    }
    let asked = needs.is_some_and(|needs| {
        let mut active = row.keys.iter().filter(|key| key.active);
        active.any(|key| needs.asks_for(key.rotated_at, key.last_used.as_ref(), now))
    });
    if asked || forced {
        Place::Live(Some(row))
    } else {
        Place::Report(row)
    }
}

/// The credentials that a row describes. Its keys have no ids.
pub(super) fn from_row(user: &Arn, row: &ReportRow) -> Credentials {
    Credentials {
        access_keys: keys_of(user, &row.keys),
        password: Reading::Known(row.password.clone()),
    }
}

/// Keys as a row describes them, oldest first.
pub(super) fn keys_of(user: &Arn, told: &[ReportKey]) -> Vec<AccessKey> {
    let key = |key: &ReportKey| AccessKey {
        id: None,
        status: if key.active {
            KeyStatus::Active
        } else {
            KeyStatus::Inactive
        },
        created_at: key.rotated_at,
        last_used: match &key.last_used {
            Some(last_used) => Reading::Known(last_used.clone()),
            None => Reading::Unknown(not_asked(user)),
        },
    };
    let mut keys: Vec<_> = told.iter().map(key).collect();
    keys.sort_by_key(|key| key.created_at);
    keys
}

/// A key seen live, and its last use where the report tells it beyond doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenKey {
    pub(super) key: KeyDescription,
    pub(super) last_used: Option<LastUsed>,
}

/// Joins what was seen live with the report, by the creation to the second. Where two keys tie, or none matches, nothing
/// is joined: the last use is then read live, never guessed.
pub(super) fn join(live: Vec<KeyDescription>, row: Option<&ReportRow>) -> Vec<SeenKey> {
    let dates: Vec<_> = live.iter().map(|key| key.created_at).collect();
    live.into_iter()
        .map(|key| {
            let alone = dates.iter().filter(|date| **date == key.created_at).count() == 1;
            let mut rows = row
                .into_iter()
                .flat_map(|row| &row.keys)
                .filter(|told| told.rotated_at == key.created_at);
            let last_used = match (rows.next(), rows.next()) {
                (Some(told), None) if alone => told.last_used.clone(),
                (Some(_), _) | (None, _) => None,
            };
            SeenKey { key, last_used }
        })
        .collect()
}

/// Whether the last use of a key, seen live, has to be known.
pub(super) fn matters(
    user: &Arn,
    key: &KeyDescription,
    needs: Option<&KeyNeeds>,
    now: DateTime<Utc>,
) -> bool {
    let Some(needs) = needs else {
        return false;
    };
    let working = match key.status {
        KeyStatus::Active | KeyStatus::Other(_) => true,
        KeyStatus::Inactive | KeyStatus::Expired => false,
    };
    needs.live_users.contains(user) || (working && needs.is_near_a_limit(now - key.created_at))
}

/// Stands for what nobody asked for: not listed among the snapshot's gaps.
pub(super) fn not_asked(user: &Arn) -> Gap {
    Gap {
        operation: operation::GET_ACCESS_KEY_LAST_USED.to_owned(),
        resource: Some(user.clone()),
        cause: GapCause::Unusable,
        detail: "not read: no rule needs it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::model::AccessKeyId;

    fn now() -> DateTime<Utc> {
        "2026-11-23T06:00:00Z".parse().unwrap()
    }

    fn ago(days: i64) -> DateTime<Utc> {
        now() - TimeDelta::days(days)
    }

    fn alice(age: i64) -> User {
        User {
            arn: Arn::parse("arn:aws:iam::123456789012:user/alice").unwrap(),
            name: "alice".to_owned(),
            id: "AIDAALICE".to_owned(),
            created_at: ago(age),
            tags: Default::default(),
            groups: Vec::new(),
            attached: Vec::new(),
            inline: Vec::new(),
            boundary: None,
            credentials: None,
            sign_in: None,
            password_use: None,
            other_credentials: None,
        }
    }

    fn needs(unused_for: Option<u32>) -> KeyNeeds {
        KeyNeeds {
            oldest_harmless_age: Span::from_days(76),
            unused_for: unused_for.map(Span::from_days),
            live_users: BTreeSet::new(),
        }
    }

    fn report(user_age: i64, keys: &[(bool, i64, &str)]) -> CredentialReport {
        let slot = |n: usize| {
            keys.get(n)
                .map_or("false,N/A,N/A,N/A,N/A".to_owned(), |(active, age, used)| {
                    format!("{active},{},{used},N/A,N/A", ago(*age).to_rfc3339())
                })
        };
        let text = format!(
            "arn,user_creation_time,password_enabled,password_last_used,password_last_changed,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service\n{},{},false,N/A,N/A,{},{}\n",
            alice(1).arn,
            ago(user_age).to_rfc3339(),
            slot(0),
            slot(1)
        );
        CredentialReport::parse(text.as_bytes(), now()).unwrap()
    }

    fn is_live(keys: &[(bool, i64, &str)], needs: &KeyNeeds) -> bool {
        match place(&alice(400), &report(400, keys), Some(needs), now()) {
            Place::Live(Some(_)) => true,
            Place::Report(_) => false,
            other @ (Place::Live(None) | Place::Nowhere | Place::Unclear(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_at_or_past_the_horizon_are_read_live() {
        let rotation = needs(None);
        assert!(is_live(&[(true, 76, "N/A")], &rotation));
        assert!(is_live(&[(true, 10, "N/A"), (true, 100, "N/A")], &rotation));
        assert!(!is_live(&[(true, 75, "N/A")], &rotation));
        assert!(!is_live(&[(false, 300, "N/A")], &rotation));
        assert!(!is_live(&[], &rotation));
    }

    #[test]
    fn idle_keys_are_read_live_where_a_rule_asks() {
        let unused = needs(Some(45));
        let (recent, old) = (ago(2).to_rfc3339(), ago(45).to_rfc3339());
        assert!(is_live(&[(true, 50, "N/A")], &unused));
        assert!(is_live(&[(true, 50, &old)], &unused));
        assert!(is_live(&[(true, 50, "no_information")], &unused));
        assert!(!is_live(&[(true, 50, &recent)], &unused));
        assert!(!is_live(&[(true, 44, "N/A")], &unused));
        assert!(!is_live(&[(true, 50, "N/A")], &needs(None)));
    }

    #[test]
    fn users_that_the_report_does_not_know() {
        let empty = report(400, &[]);
        let mut stranger = alice(1);
        stranger.arn = Arn::parse("arn:aws:iam::123456789012:user/new").unwrap();
        let wanted = needs(Some(45));
        assert_eq!(place(&stranger, &empty, Some(&wanted), now()), Place::Nowhere);
        stranger.created_at = ago(45);
        assert_eq!(place(&stranger, &empty, Some(&wanted), now()), Place::Live(None));
        // Made anew under the same name since the report.
        assert_eq!(place(&alice(1), &empty, Some(&wanted), now()), Place::Live(None));
    }

    #[test]
    fn a_user_with_a_key_awaiting_deletion_is_read_live() {
        let mut wanted = needs(None);
        wanted.live_users.insert(alice(1).arn);
        assert!(is_live(&[(false, 10, "N/A")], &wanted));
        let key = description("AKIAAAAAAAAAAAAAAAAA", "Inactive", 10);
        assert!(matters(&alice(1).arn, &key, Some(&wanted), now()));
        assert!(!matters(&alice(1).arn, &key, Some(&needs(None)), now()));
    }

    #[test]
    fn a_contradiction_is_unclear() {
        let text = report(400, &[(true, 10, "soon")]);
        let found = place(&alice(400), &text, Some(&needs(None)), now());
        assert!(matches!(found, Place::Unclear(_)), "{found:?}");
    }

    fn description(id: &str, status: &str, age: i64) -> KeyDescription {
        KeyDescription {
            id: AccessKeyId::parse(id).unwrap(),
            status: KeyStatus::from_api(status),
            created_at: ago(age),
        }
    }

    #[test]
    fn ties_and_strangers_are_not_joined() {
        let used = ago(3).to_rfc3339();
        let keys = |ages: [i64; 2]| {
            vec![
                description("AKIAAAAAAAAAAAAAAAAA", "Active", ages[0]),
                description("AKIABBBBBBBBBBBBBBBB", "Active", ages[1]),
            ]
        };
        let joined = |ages: [i64; 2], rows: &[(bool, i64, &str)]| -> Vec<bool> {
            let report = report(400, rows);
            let row = report.row(&alice(1).arn).unwrap().as_ref().unwrap();
            let seen = join(keys(ages), Some(row));
            seen.iter().map(|seen| seen.last_used.is_some()).collect()
        };
        assert_eq!(
            joined([100, 50], &[(true, 50, &used), (true, 100, "N/A")]),
            [true, true]
        );
        assert_eq!(
            joined([100, 100], &[(true, 100, &used), (true, 100, "N/A")]),
            [false, false]
        );
        assert_eq!(
            joined([100, 50], &[(true, 100, &used), (true, 100, "N/A")]),
            [false, false]
        );
        assert_eq!(joined([100, 50], &[(true, 100, &used)]), [true, false]);
        assert_eq!(
            joined([100, 50], &[(true, 100, "no_information")]),
            [false, false]
        );
        assert!(
            join(keys([1, 2]), None)
                .iter()
                .all(|seen| seen.last_used.is_none())
        );
    }

    proptest! {
        /// The promise behind reading so little: what stays unread cannot offend.
        #[test]
        fn what_is_taken_from_the_report_is_far_from_every_limit(
            ages in proptest::collection::vec((any::<bool>(), 0i64..300, proptest::option::of(0i64..300)), 0..3),
            unused_for in proptest::option::of(1u32..200),
        ) {
            let used: Vec<_> = ages
                .iter()
                .map(|(_, age, used)| used.map_or("N/A".to_owned(), |days| ago(days.min(*age)).to_rfc3339()))
                .collect();
            let keys: Vec<_> = ages.iter().zip(&used).map(|((active, age, _), used)| (*active, *age, used.as_str())).collect();
            let wanted = needs(unused_for);
            let report = report(400, &keys);
            if let Place::Report(row) = place(&alice(400), &report, Some(&wanted), now()) {
                for key in from_row(&alice(1).arn, row).access_keys.iter().filter(|k| k.status == KeyStatus::Active) {
                    prop_assert!(now() - key.created_at < wanted.oldest_harmless_age.delta());
                    if let Some(span) = wanted.unused_for {
                        let since = key.last_used.known().and_then(LastUsed::at).unwrap_or(key.created_at);
                        prop_assert!(now() - since < span.delta());
                    }
                }
            }
        }
    }
}
