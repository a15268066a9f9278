//! Who sent a request, told from the access key id it is signed with.

use chrono::{DateTime, Utc};

use crate::account::Account;

/// Someone who sends requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) partition: String,
    pub(crate) arn: String,
    pub(crate) identity: Identity,
}

/// What kind of caller it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    Root,
    User { name: String },
    Session { role: String, session: String },
}

impl Caller {
    /// From `user/path/name`, `assumed-role/role/session` or `root`.
    pub(crate) fn parse(account: &Account, acts_as: &str) -> Option<Self> {
        let (service, identity) = match acts_as.split_once('/') {
            None if acts_as == "root" => ("iam", Identity::Root),
            Some(("user", name)) => {
                let name = name.rsplit('/').next()?.to_owned();
                ("iam", Identity::User { name })
            }
            Some(("assumed-role", rest)) => {
                let (role, session) = rest.split_once('/')?;
                (
                    "sts",
                    Identity::Session {
                        role: role.to_owned(),
                        session: session.to_owned(),
                    },
                )
            }
            _ => return None,
        };
        Some(Self {
            account: account.id.clone(),
            partition: account.partition.clone(),
            arn: format!("arn:{}:{service}::{}:{acts_as}", account.partition, account.id),
            identity,
        })
    }

    /// One of the account's users.
    pub(crate) fn user(account: &Account, name: &str) -> Option<Self> {
        let user = account.users.get(name)?;
        Some(Self {
            account: account.id.clone(),
            partition: account.partition.clone(),
            arn: user.principal.arn(account),
            identity: Identity::User {
                name: name.to_owned(),
            },
        })
    }

    /// A session of one of the account's roles.
    pub(crate) fn session(account: &Account, role: &str, session: &str) -> Self {
        Self {
            account: account.id.clone(),
            partition: account.partition.clone(),
            arn: format!(
                "arn:{}:sts::{}:assumed-role/{role}/{session}",
                account.partition, account.id
            ),
            identity: Identity::Session {
                role: role.to_owned(),
                session: session.to_owned(),
            },
        }
    }

    /// What `GetCallerIdentity` gives as `UserId`.
    pub(crate) fn user_id(&self, account: &Account) -> String {
        match &self.identity {
            Identity::Root => self.account.clone(),
            Identity::User { name } => account.users.get(name).map_or_else(
                || "AIDAUNKNOWNTOTHEWORLD".to_owned(),
                |user| user.principal.id.clone(),
            ),
            Identity::Session { role, session } => {
                let role = account.roles.get(role).map(|role| role.principal.id.as_str());
                format!("{}:{session}", role.unwrap_or("AROAUNKNOWNTOTHEWORLD"))
            }
        }
    }
}

/// A session that `AssumeRole` made.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) caller: Caller,
    pub(crate) token: String,
    pub(crate) expires: DateTime<Utc>,
}
