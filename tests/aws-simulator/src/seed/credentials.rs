//! Credentials of a seed's users and of its root user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::principals::{default_region, root_path};
use super::when::When;

/// A console password.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordSeed {
    /// When it was last used.
    pub last_used: When,
    /// When it was last changed; when the user was made unless given.
    pub last_changed: When,
    /// Whether it must be changed at the next sign-in.
    pub reset_required: bool,
}

/// An access key.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeySeed {
    /// The key id; made up unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// `Active`, `Inactive` or `Expired`.
    #[serde(default = "KeySeed::default_status")]
    pub status: String,
    /// How long ago it was made; `30d` unless given.
    #[serde(default = "KeySeed::default_age")]
    pub age: When,
    /// When it was last used.
    #[serde(default)]
    pub last_used: When,
    /// Where.
    #[serde(default = "default_region")]
    pub region: String,
    /// For which service.
    #[serde(default = "KeySeed::default_service")]
    pub service: String,
}

impl KeySeed {
    /// An active key of this age that was never used.
    pub fn aged(age: When) -> Self {
        Self {
            id: None,
            status: Self::default_status(),
            age,
            last_used: When::Never,
            region: default_region(),
            service: Self::default_service(),
        }
    }

    /// The same key, last used then.
    #[must_use]
    pub fn used(mut self, last_used: When) -> Self {
        self.last_used = last_used;
        self
    }

    /// The same key under this id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The same key in this status.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = status.into();
        self
    }

    fn default_status() -> String {
        "Active".to_owned()
    }

    fn default_age() -> When {
        When::days(30)
    }

    fn default_service() -> String {
        "s3".to_owned()
    }
}

/// The root user.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RootSeed {
    /// How old the account is.
    pub age: When,
    /// Its MFA devices. A virtual one has the serial number that AWS gives it.
    pub mfa: MfaSeed,
    /// Whether it has a password; accounts of an organization may be without.
    pub password: bool,
    /// When its password was last used.
    pub password_last_used: When,
    /// Its access keys.
    pub keys: Vec<KeySeed>,
    /// Its signing certificates.
    pub signing_certificates: Vec<UploadSeed>,
}

impl Default for RootSeed {
    fn default() -> Self {
        Self {
            age: When::days(2000),
            mfa: MfaSeed::default(),
            password: true,
            password_last_used: When::Never,
            keys: Vec::new(),
            signing_certificates: Vec::new(),
        }
    }
}

/// An SSH public key or a signing certificate.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UploadSeed {
    /// Its id; made up unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// `Active` or `Inactive`.
    #[serde(default = "KeySeed::default_status")]
    pub status: String,
    /// How long ago it was uploaded; `30d` unless given.
    #[serde(default = "KeySeed::default_age")]
    pub age: When,
}

/// A credential for one service only, such as a Git password or an API key.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceCredentialSeed {
    /// The service: `codecommit`, `cassandra`, `bedrock` or `logs`, with or without `.amazonaws.com`.
    pub service: String,
    /// Its id; made up unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// `Active` or `Inactive`.
    #[serde(default = "KeySeed::default_status")]
    pub status: String,
    /// How long ago it was made; `30d` unless given.
    #[serde(default = "KeySeed::default_age")]
    pub age: When,
    /// When it expires; `never` unless given.
    #[serde(default)]
    pub expires: When,
}

/// MFA devices: whether there is a virtual one, of which kind the only one is, or all of them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum MfaSeed {
    /// A virtual device, or none.
    Virtual(bool),
    /// A device of this kind.
    Kind(MfaKind),
    /// These devices.
    Devices(Vec<DeviceSeed>),
}

impl Default for MfaSeed {
    fn default() -> Self {
        Self::Virtual(false)
    }
}

impl From<bool> for MfaSeed {
    fn from(has_one: bool) -> Self {
        Self::Virtual(has_one)
    }
}

impl From<MfaKind> for MfaSeed {
    fn from(kind: MfaKind) -> Self {
        Self::Kind(kind)
    }
}

impl MfaSeed {
    /// All devices.
    pub fn devices(&self) -> Vec<DeviceSeed> {
        match self {
            Self::Virtual(false) | Self::Kind(MfaKind::None) => Vec::new(),
            Self::Virtual(true) => vec![DeviceSeed::default()],
            Self::Kind(kind) => vec![DeviceSeed::of(*kind)],
            Self::Devices(devices) => devices
                .iter()
                .filter(|device| device.kind != MfaKind::None)
                .cloned()
                .collect(),
        }
    }
}

/// The kinds of MFA devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MfaKind {
    /// No device.
    None,
    /// An authenticator app.
    #[default]
    Virtual,
    /// A token that shows codes.
    Hardware,
    /// A passkey or security key.
    Passkey,
}

/// An MFA device that somebody has.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceSeed {
    /// Its kind.
    pub kind: MfaKind,
    /// Its name, where devices of its kind have one: that of the user unless given.
    pub name: Option<String>,
    /// Its serial number; made in the form of its kind unless given.
    pub serial: Option<String>,
    /// How long ago it was enabled; when its owner was made unless given.
    pub age: When,
}

impl DeviceSeed {
    /// A device of this kind.
    pub fn of(kind: MfaKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }
}

/// A virtual MFA device that nobody has.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualDeviceSeed {
    /// Its name.
    pub name: String,
    /// Its path, `/` unless given.
    #[serde(default = "root_path")]
    pub path: String,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}
