//! The credential report: one row of CSV per user, by which collection knows where to look closer.
//!
//! Columns are found by their names, since newer reports have more of them. `N/A`, `no_information` and `not_supported`
//! are three different things. A row that contradicts itself says nothing about its user; it does not spoil the others.
//! Format: IAM user guide, "Generate credential reports for your AWS account".

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, SubsecRound, Utc};
use csv::ByteRecord;

use super::{ConsolePassword, LastUsed};
use crate::model::Arn;

/// Why a report cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Not CSV.
    #[error("the credential report is not CSV (at record {record}); it counts as not read")]
    NotCsv {
        /// Which record, the header being 0.
        record: u64,
    },
    /// A column that is needed is not there, or twice.
    #[error("the credential report has the column `{column}` {times} times, not once; it counts as not read")]
    Column {
        /// Its name.
        column: &'static str,
        /// How often it is there.
        times: usize,
    },
}

/// What a report says, by the ARN of the user, and of the root user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CredentialReport {
    rows: BTreeMap<Arn, Result<ReportRow, Contradiction>>,
    root: Option<Result<RootRow, Contradiction>>,
}

/// What a row says that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Contradiction(String);

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// When the user was made.
    pub user_created_at: DateTime<Utc>,
    /// Its console password; `None`: it has none.
    pub password: Option<ConsolePassword>,
    /// Whether it has a console password; `None`: the report does not say.
    pub console_password: Option<bool>,
    /// Whether it has an active MFA device; `None`: the report does not say.
    pub mfa_active: Option<bool>,
    /// Its access keys, in the order of the report's columns.
    pub keys: Vec<ReportKey>,
}

/// The row of the root user, `<root_account>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootRow {
    /// Whether it has a password; `None`: the report does not say.
    pub password: Option<bool>,
    /// When that was last used; `None`: never, as far as AWS knows.
    pub password_last_used: Option<DateTime<Utc>>,
    /// Whether it has an active MFA device; `None`: the report does not say.
    pub mfa_active: Option<bool>,
    /// Its access keys, in the order of the report's columns.
    pub keys: Vec<ReportKey>,
    /// Whether it has an active signing certificate; `None`: the report does not say.
    pub signing_certificates: Option<bool>,
}

/// What a row says of an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportKey {
    /// Whether it is active; if not, it is inactive or expired.
    pub active: bool,
    /// `last_rotated`: when it was created or last changed.
    pub rotated_at: DateTime<Utc>,
    /// Its last use; `None`: the report has no information.
    pub last_used: Option<LastUsed>,
}

/// The columns without which it is no report.
const COLUMNS: [&str; 15] = [
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
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
];

/// Columns that are read where they are there.
const MORE_COLUMNS: [&str; 3] = ["mfa_active", "cert_1_active", "cert_2_active"];

/// A cell that should hold a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dated {
    At(DateTime<Utc>),
    /// `N/A`
    NotApplicable,
    /// `no_information`
    NoInformation,
    /// `not_supported`
    NotSupported,
}

impl Dated {
    fn date(self) -> Option<DateTime<Utc>> {
        match self {
            Self::At(at) => Some(at),
            Self::NotApplicable | Self::NoInformation | Self::NotSupported => None,
        }
    }
}

impl CredentialReport {
    /// Parses a report. Dates after `latest` contradict it.
    ///
    /// # Errors
    /// [`ReportError`], where it is not a credential report.
    pub fn parse(content: &[u8], latest: DateTime<Utc>) -> Result<Self, ReportError> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(content);
        let header = reader
            .byte_headers()
            .map_err(|_| ReportError::NotCsv { record: 0 })?
            .clone();
        let columns = Columns::find(&header)?;
        let mut report = Self::default();
        let mut record = ByteRecord::new();
        let mut number = 0;
        loop {
            number += 1;
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => return Err(ReportError::NotCsv { record: number }),
            }
            // A row without a readable ARN is as good as absent: its user is then looked at live.
            let Some(arn) = columns
                .cell(&record, "arn")
                .and_then(|text| Arn::parse(text).ok())
            else {
                continue;
            };
            let whole = match record.len() == header.len() {
                true => Ok(()),
                false => Err(Contradiction(
                    "it has more or fewer cells than columns".to_owned(),
                )),
            };
            let twice = || Contradiction("there are two rows for it".to_owned());
            if arn.resource() == "root" {
                let row = whole.and_then(|()| columns.root(&record, latest));
                report.root = Some(match report.root {
                    None => row,
                    Some(_) => Err(twice()),
                });
                continue;
            }
            let row = whole.and_then(|()| columns.row(&record, latest));
            match report.rows.entry(arn) {
                Entry::Vacant(place) => {
                    place.insert(row);
                }
                Entry::Occupied(mut place) => *place.get_mut() = Err(twice()),
            }
        }
        Ok(report)
    }

    /// What the report says of a user; `None`: nothing.
    pub fn row(&self, user: &Arn) -> Option<&Result<ReportRow, Contradiction>> {
        self.rows.get(user)
    }

    /// What the report says of the root user; `None`: nothing.
    pub fn root(&self) -> Option<&Result<RootRow, Contradiction>> {
        self.root.as_ref()
    }
}

/// Where each column stands.
struct Columns(BTreeMap<&'static str, usize>);

impl Columns {
    fn find(header: &ByteRecord) -> Result<Self, ReportError> {
        let mut places = BTreeMap::new();
        for column in COLUMNS.into_iter().chain(MORE_COLUMNS) {
            let mut found = header
                .iter()
                .enumerate()
                .filter(|(_, name)| *name == column.as_bytes());
            match (found.next(), found.count()) {
                (Some((place, _)), 0) => {
                    places.insert(column, place);
                }
                (None, _) if MORE_COLUMNS.contains(&column) => {}
                (first, more) => {
                    let times = usize::from(first.is_some()) + more;
                    return Err(ReportError::Column { column, times });
                }
            }
        }
        Ok(Self(places))
    }

    fn cell<'r>(&self, record: &'r ByteRecord, column: &str) -> Option<&'r str> {
        let place = *self.0.get(column)?;
        std::str::from_utf8(record.get(place)?).ok().map(str::trim)
    }

    fn text<'r>(&self, record: &'r ByteRecord, column: &str) -> Result<&'r str, Contradiction> {
        self.cell(record, column)
            .ok_or_else(|| Contradiction(format!("`{column}` is not text")))
    }

    fn dated(
        &self,
        record: &ByteRecord,
        column: &str,
        latest: DateTime<Utc>,
    ) -> Result<Dated, Contradiction> {
        match self.text(record, column)? {
            "N/A" => Ok(Dated::NotApplicable),
            "no_information" => Ok(Dated::NoInformation),
            "not_supported" => Ok(Dated::NotSupported),
            text => {
                let date = DateTime::parse_from_rfc3339(text)
                    .map_err(|_| Contradiction(format!("`{column}` is not a date")))?
                    .with_timezone(&Utc)
                    .trunc_subsecs(0);
                if date > latest {
                    return Err(Contradiction(format!("`{column}` lies in the future")));
                }
                Ok(Dated::At(date))
            }
        }
    }

    fn row(&self, record: &ByteRecord, latest: DateTime<Utc>) -> Result<ReportRow, Contradiction> {
        let Dated::At(user_created_at) = self.dated(record, "user_creation_time", latest)? else {
            return Err(Contradiction("`user_creation_time` is not a date".to_owned()));
        };
        Ok(ReportRow {
            user_created_at,
            password: self.password(record, latest)?,
            console_password: self.switch(record, "password_enabled")?,
            mfa_active: self.switch(record, "mfa_active")?,
            keys: self.keys(record, latest)?,
        })
    }

    fn root(&self, record: &ByteRecord, latest: DateTime<Utc>) -> Result<RootRow, Contradiction> {
        let certificates = [
            self.switch(record, "cert_1_active")?,
            self.switch(record, "cert_2_active")?,
        ];
        Ok(RootRow {
            password: self.switch(record, "password_enabled")?,
            password_last_used: self.dated(record, "password_last_used", latest)?.date(),
            mfa_active: self.switch(record, "mfa_active")?,
            keys: self.keys(record, latest)?,
            signing_certificates: match certificates {
                [Some(true), _] | [_, Some(true)] => Some(true),
                [Some(false), Some(false)] => Some(false),
                [None, _] | [_, None] => None,
            },
        })
    }

    fn keys(&self, record: &ByteRecord, latest: DateTime<Utc>) -> Result<Vec<ReportKey>, Contradiction> {
        let mut keys = Vec::new();
        for slot in ["access_key_1", "access_key_2"] {
            keys.extend(self.key(record, slot, latest)?);
        }
        // Most users have one or none, and there are thousands of them.
        keys.shrink_to_fit();
        Ok(keys)
    }

    /// `true` or `false` in any case; `None`: there is no such column, or it is not supported, as much of the root user.
    fn switch(&self, record: &ByteRecord, column: &str) -> Result<Option<bool>, Contradiction> {
        if !self.0.contains_key(column) {
            return Ok(None);
        }
        let text = self.text(record, column)?;
        if text.eq_ignore_ascii_case("true") {
            Ok(Some(true))
        } else if text.eq_ignore_ascii_case("false") {
            Ok(Some(false))
        } else if text == "not_supported" || text == "N/A" {
            Ok(None)
        } else {
            Err(Contradiction(format!("`{column}` is neither true nor false")))
        }
    }

    fn password(
        &self,
        record: &ByteRecord,
        latest: DateTime<Utc>,
    ) -> Result<Option<ConsolePassword>, Contradiction> {
        let enabled = self.switch(record, "password_enabled")?;
        let last_changed = self.dated(record, "password_last_changed", latest)?;
        let last_used = self.dated(record, "password_last_used", latest)?;
        match enabled {
            Some(true) => {}
            Some(false) => return Ok(None),
            // So it is for the root user alone; of a user, it would hide a password.
            None => {
                return Err(Contradiction(
                    "`password_enabled` does not say whether there is a password".to_owned(),
                ));
            }
        }
        Ok(Some(ConsolePassword {
            last_changed: last_changed.date(),
            last_used: last_used.date(),
        }))
    }

    /// The key of a slot; `None`: there is none.
    fn key(
        &self,
        record: &ByteRecord,
        slot: &str,
        latest: DateTime<Utc>,
    ) -> Result<Option<ReportKey>, Contradiction> {
        let column = |name: &str| format!("{slot}_{name}");
        let active_column = column("active");
        let active = self.switch(record, &active_column)?;
        let rotated = self.dated(record, &column("last_rotated"), latest)?;
        let used = self.dated(record, &column("last_used_date"), latest)?;
        let rotated_at = match (active, rotated) {
            (Some(true) | Some(false), Dated::At(at)) => at,
            (Some(false) | None, Dated::NotApplicable | Dated::NotSupported | Dated::NoInformation) => {
                return match used {
                    Dated::At(_) => Err(Contradiction(format!("{slot} was used, but is not there"))),
                    Dated::NotApplicable | Dated::NoInformation | Dated::NotSupported => Ok(None),
                };
            }
            (Some(true), Dated::NotApplicable | Dated::NotSupported | Dated::NoInformation) => {
                return Err(Contradiction(format!("{slot} is active, but has no age")));
            }
            (None, Dated::At(_)) => {
                return Err(Contradiction(format!("{slot} has an age, but is not supported")));
            }
        };
        let told = |name: &str| -> Result<Option<String>, Contradiction> {
            let text = self.text(record, &column(name))?;
            let told = !matches!(text, "" | "N/A" | "no_information" | "not_supported");
            Ok(told.then(|| text.to_owned()))
        };
        let last_used = match used {
            Dated::At(at) => Some(LastUsed::At {
                at,
                service: told("last_used_service")?,
                region: told("last_used_region")?,
            }),
            Dated::NotApplicable => Some(LastUsed::Never),
            Dated::NoInformation | Dated::NotSupported => None,
        };
        Ok(Some(ReportKey {
            active: active == Some(true),
            rotated_at,
            last_used,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
    const NO_KEY: &str = "false,N/A,N/A,N/A,N/A";

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn alice() -> Arn {
        Arn::parse("arn:aws:iam::123456789012:user/alice").unwrap()
    }

    fn row_of(password: &str, first: &str, second: &str) -> String {
        format!(
            "alice,{},2025-01-01T00:00:00+00:00,{password},false,{first},{second},false,N/A,false,N/A",
            alice()
        )
    }

    fn parse(rows: &[&str]) -> CredentialReport {
        let text = format!("{HEADER}\n{}\n", rows.join("\n"));
        CredentialReport::parse(text.as_bytes(), at("2026-11-23T06:00:00Z")).unwrap()
    }

    fn read(password: &str, first: &str, second: &str) -> Result<ReportRow, Contradiction> {
        let report = parse(&[&row_of(password, first, second)]);
        report.row(&alice()).unwrap().clone()
    }

    const NO_PASSWORD: &str = "false,N/A,N/A,N/A";

    #[test]
    fn reads_keys_and_passwords() {
        let row = read(
            "TRUE,no_information,2026-01-02T03:04:05+00:00,N/A",
            "true,2025-06-01T00:00:00+00:00,2026-11-22T10:00:00Z,eu-west-1,s3",
            "False,2025-01-01T00:00:00+00:00,N/A,N/A,N/A",
        )
        .unwrap();
        let password = row.password.unwrap();
        assert_eq!(password.last_changed, Some(at("2026-01-02T03:04:05Z")));
        assert_eq!(password.last_used, None);
        let [first, second] = row.keys.as_slice() else {
            panic!("two keys")
        };
        assert!(first.active && !second.active);
        let used = first.last_used.clone().unwrap();
        assert_eq!(used.at(), Some(at("2026-11-22T10:00:00Z")));
        assert_eq!(second.last_used, Some(LastUsed::Never));
    }

    #[test]
    fn a_slot_without_a_key_is_none() {
        assert_eq!(read(NO_PASSWORD, NO_KEY, NO_KEY).unwrap().keys, []);
        let moto = "false,N/A,N/A,not_supported,not_supported";
        assert_eq!(read(NO_PASSWORD, moto, moto).unwrap().keys, []);
    }

    #[test]
    fn whether_there_is_a_password_has_to_be_said() {
        assert_eq!(read(NO_PASSWORD, NO_KEY, NO_KEY).unwrap().password, None);
        for silent in ["not_supported,N/A,N/A,N/A", "N/A,N/A,2020-01-01T00:00:00Z,N/A"] {
            assert!(read(silent, NO_KEY, NO_KEY).is_err(), "{silent}");
        }
    }

    #[test]
    fn no_information_is_not_never() {
        let key = "true,2025-06-01T00:00:00+00:00,no_information,N/A,N/A";
        let row = read(NO_PASSWORD, key, NO_KEY).unwrap();
        assert_eq!(row.keys.first().unwrap().last_used, None);
    }

    #[test]
    fn a_row_that_contradicts_itself_says_nothing() {
        for key in [
            "true,N/A,N/A,N/A,N/A",
            "yes,2025-06-01T00:00:00+00:00,N/A,N/A,N/A",
            "true,01/06/2025,N/A,N/A,N/A",
            "true,2025-06-01T00:00:00,N/A,N/A,N/A",
            "true,2027-06-01T00:00:00+00:00,N/A,N/A,N/A",
            "false,N/A,2025-06-01T00:00:00+00:00,N/A,N/A",
            "true,2025-06-01T00:00:00+00:00",
        ] {
            assert!(read(NO_PASSWORD, key, NO_KEY).is_err(), "{key}");
        }
        let row = row_of(NO_PASSWORD, NO_KEY, NO_KEY);
        let twice = parse(&[&row, &row]);
        assert!(twice.row(&alice()).unwrap().is_err());
    }

    #[test]
    fn one_bad_row_does_not_spoil_the_others() {
        let bob = row_of(NO_PASSWORD, NO_KEY, NO_KEY).replace("alice", "bob");
        let report = parse(&[
            &row_of(NO_PASSWORD, "maybe,N/A,N/A,N/A,N/A", NO_KEY),
            &bob,
            "short",
        ]);
        assert!(report.row(&alice()).unwrap().is_err());
        let bob = Arn::parse("arn:aws:iam::123456789012:user/bob").unwrap();
        assert!(report.row(&bob).unwrap().is_ok());
    }

    const ROOT: &str = "<root_account>,arn:aws:iam::123456789012:root,2020-01-01T00:00:00+00:00,not_supported,2026-01-01T00:00:00+00:00,not_supported,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";

    #[test]
    fn the_root_user_has_a_row_of_its_own() {
        let root = |row: &str| parse(&[row]).root().unwrap().clone();
        let plain = root(ROOT).unwrap();
        assert_eq!(plain.password, None, "older reports do not say");
        assert_eq!(plain.password_last_used, Some(at("2026-01-01T00:00:00Z")));
        assert_eq!(
            (plain.mfa_active, plain.signing_certificates),
            (Some(true), Some(false))
        );
        assert_eq!(plain.keys, []);
        let keys = ROOT.replacen("false,N/A,N/A", "false,2021-01-01T00:00:00+00:00,N/A", 1);
        let [key] = root(&keys).unwrap().keys.try_into().unwrap();
        assert!(!key.active);
        assert_eq!(key.last_used, Some(LastUsed::Never));
        let new = ROOT
            .replacen("not_supported", "FALSE", 1)
            .replace("false,N/A,false,N/A", "false,N/A,true,2021-01-01T00:00:00Z");
        let new = root(&new).unwrap();
        assert_eq!(
            (new.password, new.signing_certificates),
            (Some(false), Some(true))
        );
        assert!(parse(&[ROOT, ROOT]).root().unwrap().is_err());
        assert!(root(&ROOT.replacen("true", "maybe", 1)).is_err());
        assert!(root(&ROOT.replacen("2026-01-01", "2027-01-01", 1)).is_err());
        assert_eq!(parse(&[&row_of(NO_PASSWORD, NO_KEY, NO_KEY)]).root(), None);
    }

    #[test]
    fn what_older_reports_do_not_have_is_not_said() {
        let row = row_of("true,N/A,N/A,N/A", NO_KEY, NO_KEY);
        let row = parse(&[&row]).row(&alice()).unwrap().clone().unwrap();
        assert_eq!((row.console_password, row.mfa_active), (Some(true), Some(false)));
        let header = HEADER.replace("mfa_active", "x").replace("cert_2_active", "y");
        let text = format!("{header}\n{}\n{ROOT}\n", row_of(NO_PASSWORD, NO_KEY, NO_KEY));
        let report = CredentialReport::parse(text.as_bytes(), at("2026-11-23T06:00:00Z")).unwrap();
        assert_eq!(report.row(&alice()).unwrap().as_ref().unwrap().mfa_active, None);
        let root = report.root().unwrap().as_ref().unwrap();
        assert_eq!((root.mfa_active, root.signing_certificates), (None, None));
    }

    #[test]
    fn columns_are_found_by_name() {
        let row = row_of(NO_PASSWORD, "true,2025-06-01T00:00:00+00:00,N/A,N/A,N/A", NO_KEY);
        let text = format!("brand_new,{HEADER}\nx,{row}\n");
        let report = CredentialReport::parse(text.as_bytes(), at("2026-11-23T06:00:00Z")).unwrap();
        assert_eq!(report.row(&alice()).unwrap().as_ref().unwrap().keys.len(), 1);
        for wrong in [
            String::new(),
            "<html>".to_owned(),
            HEADER.replace("access_key_2_active", "x"),
            HEADER.replace("cert_1_active", "arn"),
        ] {
            let read = CredentialReport::parse(wrong.as_bytes(), at("2026-11-23T06:00:00Z"));
            assert!(read.is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = CredentialReport::parse(&bytes, at("2026-11-23T06:00:00Z"));
        }

        #[test]
        fn no_row_makes_it_panic(cells in proptest::collection::vec("[a-zA-Z0-9:+_/ \"-]{0,12}", 0..30)) {
            let arn = alice();
            let text = format!("{HEADER}\nalice,{arn},{}\n", cells.join(","));
            let _ = CredentialReport::parse(text.as_bytes(), at("2026-11-23T06:00:00Z"));
        }

        #[test]
        fn a_key_is_never_lost_without_a_word(active in any::<bool>(), days in 0i64..600) {
            let rotated = at("2025-01-01T00:00:00Z") + chrono::TimeDelta::days(days);
            let key = format!("{active},{},N/A,N/A,N/A", rotated.to_rfc3339());
            let row = read(NO_PASSWORD, &key, NO_KEY).unwrap();
            prop_assert_eq!(row.keys.len(), 1);
            prop_assert_eq!(row.keys.first().unwrap().active, active);
            prop_assert_eq!(row.keys.first().unwrap().rotated_at, rotated);
        }
    }
}
