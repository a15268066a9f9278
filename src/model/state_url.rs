//! Where the state is: a file of SQLite, or a database of PostgreSQL.

use std::fmt;
use std::path::PathBuf;

use url::Url;

/// Parameters that the address of a PostgreSQL database may have. A password is none of them: an unknown one would be
/// logged with its value, and a known one may not be seen where this one would.
const PARAMETERS: [&str; 13] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Those of them that name a file.
const FILES: [&str; 3] = ["sslcert", "sslkey", "sslrootcert"];

/// Why a text does not say where a state is. Does not repeat the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateUrlError {
    /// Of no database that iamwarden knows.
    #[error("this is not a state URL; write `sqlite:PATH` or `postgres://USER@HOST/DATABASE`")]
    Unknown,
    /// `sqlite:` and nothing, or what SQLite would read as more than a path.
    #[error("this is not the path of a file; write `sqlite:PATH`")]
    Path,
    /// Not readable as an address.
    #[error("this is not the address of a database; write `postgres://USER@HOST/DATABASE`")]
    Address,
    /// A parameter that means nothing.
    #[error("the parameter `{0}` of the address is not known; there are {known}", known = PARAMETERS.join(", "))]
    Parameter(String),
}

/// Where the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateUrl {
    /// In memory, gone with the process.
    Memory,
    /// In a file of SQLite.
    File(PathBuf),
    /// In a database of PostgreSQL.
    Postgres(PostgresUrl),
}

/// The address of a PostgreSQL database. Its password is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Url);

impl StateUrl {
    /// Parses `sqlite:PATH`, `sqlite://PATH`, `sqlite::memory:`, `postgres://…` and `postgresql://…`.
    ///
    /// # Errors
    /// [`StateUrlError`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, StateUrlError> {
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return match path {
                ":memory:" => Ok(Self::Memory),
                "" => Err(StateUrlError::Path),
                // SQLite would read these as URIs, with parameters that change what is promised of the state.
                _ if path.starts_with("file:") || path.contains(['?', '\0']) => Err(StateUrlError::Path),
                _ => Ok(Self::File(PathBuf::from(path))),
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return PostgresUrl::parse(text).map(Self::Postgres);
        }
        Err(StateUrlError::Unknown)
    }
}

impl fmt::Display for StateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("sqlite::memory:"),
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl PostgresUrl {
    fn parse(text: &str) -> Result<Self, StateUrlError> {
        let url = Url::parse(text).map_err(|_| StateUrlError::Address)?;
        if url.fragment().is_some() {
            return Err(StateUrlError::Address);
        }
        for (key, _) in url.query_pairs() {
            let setting = key.starts_with("options[") && key.ends_with(']');
            if !setting && !PARAMETERS.contains(&key.as_ref()) {
                return Err(StateUrlError::Parameter(key.into_owned()));
            }
        }
        Ok(Self(url))
    }

    /// Whether a password stands in it.
    pub fn has_password(&self) -> bool {
        self.0.password().is_some() || self.0.query_pairs().any(|(key, _)| key == "password")
    }

    /// The files of certificates and keys that it names.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        let pairs = self.0.query_pairs().into_owned();
        pairs
            // Instead of a path the text of a certificate may stand there.
            .filter(|(key, value)| FILES.contains(&key.as_str()) && !value.starts_with("-----BEGIN"))
            .map(|(_, value)| PathBuf::from(value))
    }

    /// All of it, the password included: for connecting, and nothing else.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

/// Without password and parameters.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.0.scheme())?;
        if !self.0.username().is_empty() {
            write!(f, "{}@", self.0.username())?;
        }
        f.write_str(self.0.host_str().unwrap_or_default())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_databases() {
        for (text, path) in [
            ("sqlite:iamwarden.db", "iamwarden.db"),
            ("sqlite://iamwarden.db", "iamwarden.db"),
            ("sqlite:///var/lib/iamwarden.db", "/var/lib/iamwarden.db"),
            ("sqlite:/var/lib/100%.db", "/var/lib/100%.db"),
        ] {
            assert_eq!(StateUrl::parse(text), Ok(StateUrl::File(path.into())));
        }
        assert_eq!(StateUrl::parse("sqlite::memory:"), Ok(StateUrl::Memory));
        for text in [
            "postgres://iamwarden@db.example.com/iamwarden",
            "postgresql://iamwarden@db.example.com:5433/iamwarden",
            "postgres:///iamwarden",
        ] {
            let url = StateUrl::parse(text).unwrap();
            assert!(
                matches!(&url, StateUrl::Postgres(url) if !url.has_password()),
                "{text}"
            );
            assert_eq!(url.to_string(), text);
        }
        for (wrong, why) in [
            ("", StateUrlError::Unknown),
            ("iamwarden.db", StateUrlError::Unknown),
            ("mysql://h/d", StateUrlError::Unknown),
            ("postgres:h", StateUrlError::Unknown),
            ("sqlite:", StateUrlError::Path),
            ("sqlite:a?mode=rwc", StateUrlError::Path),
            ("sqlite:file:a", StateUrlError::Path),
            ("postgres://h:port/d", StateUrlError::Address),
            ("postgres://h/d#x", StateUrlError::Address),
            (
                "postgres://h/d?passwort=canary",
                StateUrlError::Parameter("passwort".into()),
            ),
        ] {
            assert_eq!(StateUrl::parse(wrong), Err(why), "{wrong}");
        }
    }

    #[test]
    fn passwords_are_seen_and_not_repeated() {
        for text in [
            "postgres://warden:canary@db/iam",
            "postgres://warden@db/iam?sslmode=require&password=canary",
            "postgres://warden@db/iam?options[a]=canary&password=",
        ] {
            let url = StateUrl::parse(text).unwrap();
            let StateUrl::Postgres(address) = &url else {
                panic!("no address: {url}")
            };
            assert!(address.has_password(), "{url}");
            assert_eq!(address.expose(), text);
            assert_eq!(url.to_string(), "postgres://warden@db/iam");
            assert!(!format!("{url:?}").contains("canary"));
        }
        let wrong = StateUrl::parse("postgres://warden:canary@db:port/iam").unwrap_err();
        assert!(!format!("{wrong} {wrong:?}").contains("canary"));
    }
}
