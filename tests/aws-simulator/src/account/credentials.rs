//! What users and the root user sign in and sign with.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Account, User};
use crate::ids::IdSource;

/// The root user.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Root {
    pub(crate) created: DateTime<Utc>,
    /// Serial numbers of devices and when they were enabled.
    pub(crate) mfa: BTreeMap<String, DateTime<Utc>>,
    pub(crate) has_password: bool,
    pub(crate) password_last_used: Option<DateTime<Utc>>,
    pub(crate) keys: Vec<AccessKey>,
    pub(crate) certificates: Vec<Uploaded>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Password {
    pub(crate) created: DateTime<Utc>,
    pub(crate) last_changed: DateTime<Utc>,
    pub(crate) last_used: Option<DateTime<Utc>>,
    pub(crate) reset_required: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) last_used: Option<KeyUse>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct KeyUse {
    pub(crate) at: DateTime<Utc>,
    pub(crate) region: String,
    pub(crate) service: String,
}

/// An SSH public key or a signing certificate.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Uploaded {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) at: DateTime<Utc>,
}

/// A user name and password, or an API key, for one service only.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ServiceCredential {
    pub(crate) id: String,
    pub(crate) service: String,
    /// The user name, or the alias of an API key.
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) expires: Option<DateTime<Utc>>,
}

/// The services that give credentials of their own.
pub(crate) const CREDENTIAL_SERVICES: [&str; 4] = [
    "bedrock.amazonaws.com",
    "cassandra.amazonaws.com",
    "codecommit.amazonaws.com",
    "logs.amazonaws.com",
];

impl ServiceCredential {
    /// Whether it is an API key, which has an alias and may expire, and not a user name with a password.
    pub(crate) fn is_api_key(&self) -> bool {
        is_api_key(&self.service)
    }

    pub(crate) fn status(&self, now: DateTime<Utc>) -> &str {
        if self.expires.is_some_and(|expires| expires <= now) {
            "Expired"
        } else {
            &self.status
        }
    }
}

fn is_api_key(service: &str) -> bool {
    service.starts_with("bedrock.") || service.starts_with("logs.")
}

/// What a credential of a service is called.
pub(crate) fn service_user_name(service: &str, user: &str, account: &str, ids: &mut IdSource) -> String {
    if is_api_key(service) {
        let prefix = if service.starts_with("logs.") {
            "CloudWatchLogs"
        } else {
            "Bedrock"
        };
        let suffix = ids.base32(4).to_lowercase();
        format!("{prefix}APIKey-{suffix}-at-{account}")
    } else {
        format!("{user}-at-{account}")
    }
}

/// A virtual MFA device. Unlike others, it is there before anybody has it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct VirtualDevice {
    pub(crate) tags: BTreeMap<String, String>,
}

/// Who has an MFA device.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder<'a> {
    Root(&'a Root),
    User(&'a User),
}

/// Whether a serial number is that of a virtual device; those of passkeys are ARNs as well.
pub(crate) fn is_virtual(serial: &str) -> bool {
    serial.starts_with("arn:") && serial.contains(":mfa/")
}

impl Account {
    /// Who has which MFA device, since when.
    pub(crate) fn devices_in_use(&self) -> BTreeMap<&str, (Holder<'_>, DateTime<Utc>)> {
        let mut devices = BTreeMap::new();
        for (serial, enabled) in &self.root.mfa {
            devices.insert(serial.as_str(), (Holder::Root(&self.root), *enabled));
        }
        for user in self.users.values() {
            for (serial, enabled) in &user.mfa {
                devices.insert(serial.as_str(), (Holder::User(user), *enabled));
            }
        }
        devices
    }
}
