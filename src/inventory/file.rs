//! The file form of a snapshot: JSON, `iamwarden.snapshot/v1`, for planning elsewhere.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::Datelike;
use serde::Deserialize;

use super::Snapshot;

/// The largest file that is read, in bytes: a hundred times a large account.
const LARGEST: u64 = 512 * 1024 * 1024;

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// The file cannot be written.
    #[error("the snapshot cannot be written to {path} ({kind}): check the folder and its permissions")]
    Write {
        /// Where to.
        path: PathBuf,
        /// The kind of the failure.
        kind: io::ErrorKind,
        /// The failure.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("the snapshot {path} cannot be read ({kind}): check the path and its permissions")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The kind of the failure.
        kind: io::ErrorKind,
        /// The failure.
        source: io::Error,
    },
    /// The file is larger than any snapshot.
    #[error(
        "{path} has more than {LARGEST} bytes, so it is no snapshot: name a file that `iamwarden snapshot` wrote"
    )]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The file is not a snapshot.
    #[error(
        "{path} is not a snapshot (line {line}, column {column}): name a file that `iamwarden snapshot` wrote"
    )]
    NotASnapshot {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        line: usize,
        /// Where in the line.
        column: usize,
        /// The failure.
        source: serde_json::Error,
    },
    /// The file is of another version.
    #[error("{path} has the schema `{found}`, but this iamwarden reads `{expected}`: take the snapshot again with this version", expected = Snapshot::SCHEMA)]
    Schema {
        /// Which file.
        path: PathBuf,
        /// As it says.
        found: String,
    },
}

#[derive(Deserialize)]
struct Head {
    schema: String,
}

impl Snapshot {
    /// The schema that this version writes and reads.
    pub const SCHEMA: &'static str = "iamwarden.snapshot/v1";

    /// Writes the snapshot: whole or not at all, for its owner alone (it names every principal of the account).
    ///
    /// # Errors
    /// [`SnapshotFileError::Write`].
    pub fn write_to(&self, path: &Path) -> Result<(), SnapshotFileError> {
        let failed = |source: io::Error| SnapshotFileError::Write {
            path: path.to_owned(),
            kind: source.kind(),
            source,
        };
        let partial = partial_path(path).map_err(failed)?;
        let written = self
            .write_whole(&partial)
            .and_then(|()| std::fs::rename(&partial, path));
        if let Err(source) = written {
            // What is left of a failed attempt is of no use; that it cannot be removed changes nothing.
            if let Err(error) = std::fs::remove_file(&partial) {
                tracing::debug!(%error, path = %partial.display(), "the unfinished file is still there");
            }
            return Err(failed(source));
        }
        Ok(())
    }

    fn write_whole(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = io::BufWriter::new(options.open(path)?);
        serde_json::to_writer(&mut out, self)?;
        out.write_all(b"\n")?;
        let file: File = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// [`SnapshotFileError`], save `Write`.
    pub fn read_from(path: &Path) -> Result<Self, SnapshotFileError> {
        let failed = |source: io::Error| SnapshotFileError::Read {
            path: path.to_owned(),
            kind: source.kind(),
            source,
        };
        let mut content = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(LARGEST + 1).read_to_end(&mut content).map_err(failed)?;
        if u64::try_from(content.len()).is_ok_and(|length| length > LARGEST) {
            return Err(SnapshotFileError::TooLarge {
                path: path.to_owned(),
            });
        }
        let broken = |source: serde_json::Error| SnapshotFileError::NotASnapshot {
            path: path.to_owned(),
            line: source.line(),
            column: source.column(),
            source,
        };
        let head: Head = serde_json::from_slice(&content).map_err(broken)?;
        if head.schema != Self::SCHEMA {
            return Err(SnapshotFileError::Schema {
                path: path.to_owned(),
                found: head.schema,
            });
        }
        let snapshot: Self = serde_json::from_slice(&content).map_err(broken)?;
        // Ages are counted from this date; near the ends of the calendar they could not be.
        if !(1970..10_000).contains(&snapshot.taken_at.year()) {
            let why = format!("`taken_at` is {}", snapshot.taken_at);
            return Err(broken(serde::de::Error::custom(why)));
        }
        Ok(snapshot)
    }
}

/// Beside the file, so that a rename puts it there at once.
fn partial_path(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file is named"))?;
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.partial", std::process::id()));
    Ok(path.with_file_name(partial))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Authorization, Caller, Gap, GapCause, Reading};
    use crate::model::{AccountId, Arn, Partition};

    fn snapshot() -> Snapshot {
        let gap = Gap {
            operation: "iam:GetAccountPasswordPolicy".to_owned(),
            resource: None,
            cause: GapCause::Denied,
            detail: "access denied".to_owned(),
        };
        Snapshot {
            schema: Snapshot::SCHEMA.to_owned(),
            taken_at: "2026-11-23T06:00:00Z".parse().unwrap(),
            account: AccountId::parse("012345678901").unwrap(),
            name: "prod".to_owned(),
            partition: Partition::new("aws"),
            caller: Caller {
                arn: Arn::parse("arn:aws:sts::012345678901:assumed-role/w/x").unwrap(),
                identities: vec!["role/w".to_owned()],
            },
            authorization: Reading::Known(Authorization::default()),
            password_policy: Some(Reading::Unknown(gap.clone())),
            root: None,
            virtual_mfa_devices: None,
            last_accessed: Default::default(),
            credential_report_at: None,
            regions: Default::default(),
            gaps: vec![gap],
            api_calls: [("iam:GetAccountAuthorizationDetails".to_owned(), 1)].into(),
        }
    }

    #[test]
    fn comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prod.json");
        snapshot().write_to(&path).unwrap();
        snapshot().write_to(&path).unwrap();
        assert_eq!(Snapshot::read_from(&path).unwrap(), snapshot());
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing unfinished stays behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        for (content, expected) in [
            ("", "not a snapshot"),
            ("[]", "not a snapshot"),
            (r#"{"schema": "iamwarden.snapshot/v1"}"#, "not a snapshot"),
            (r#"{"schema": "iamwarden.plan/v1"}"#, "iamwarden.plan/v1"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = Snapshot::read_from(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mut timeless = snapshot();
        timeless.taken_at = chrono::DateTime::<chrono::Utc>::MAX_UTC;
        timeless.write_to(&path).unwrap();
        let error = Snapshot::read_from(&path).unwrap_err().to_string();
        assert!(error.contains("not a snapshot"), "{error}");
        assert!(matches!(
            Snapshot::read_from(&folder.path().join("gone.json")),
            Err(SnapshotFileError::Read { .. })
        ));
        assert!(matches!(
            snapshot().write_to(&folder.path().join("gone/x.json")),
            Err(SnapshotFileError::Write { .. })
        ));
    }
}
