//! The root user, access keys, MFA devices and other credentials.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Place, Planter};
use crate::account::{
    AccessKey, Account, CREDENTIAL_SERVICES, KeyUse, Root, ServiceCredential, Uploaded, VirtualDevice,
    is_virtual, service_user_name,
};
use crate::ids::IdSource;
use crate::seed::SeedError;
use crate::seed::credentials::{DeviceSeed, KeySeed, MfaKind, MfaSeed, ServiceCredentialSeed, UploadSeed};

impl Planter<'_> {
    pub(super) fn root(&mut self) -> Result<Root, SeedError> {
        let seed = &self.seed.root;
        let created = self.at(seed.age);
        Ok(Root {
            created,
            mfa: self.devices(None, &seed.mfa, created)?,
            has_password: seed.password,
            password_last_used: seed.password_last_used.resolve(self.now),
            keys: self.keys("root", &seed.keys)?,
            certificates: certificates(&seed.signing_certificates, self.now, self.ids),
        })
    }

    pub(super) fn keys(&mut self, owner: &str, seeds: &[KeySeed]) -> Result<Vec<AccessKey>, SeedError> {
        if seeds.len() > 2 {
            return Err(self.problem(format!("`{owner}` has more than two keys")));
        }
        let mut keys = Vec::new();
        for seed in seeds {
            if !["Active", "Inactive", "Expired"].contains(&seed.status.as_str()) {
                return Err(self.problem(format!(
                    "a key of `{owner}` has no such status as `{}`",
                    seed.status
                )));
            }
            let key = access_key(seed, self.now, self.ids);
            if !self.taken.insert(key.id.clone()) {
                return Err(self.problem(format!("key {} is there twice", key.id)));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// The devices of a user, or of root.
    pub(super) fn devices(
        &mut self,
        owner: Option<&str>,
        seed: &MfaSeed,
        made: DateTime<Utc>,
    ) -> Result<BTreeMap<String, DateTime<Utc>>, SeedError> {
        let planted = devices(owner, seed, made, self.place(), self.ids);
        for (serial, _) in &planted {
            if !self.taken.insert(serial.clone()) {
                return Err(self.problem(format!("MFA device {serial} is there twice")));
            }
        }
        Ok(planted.into_iter().collect())
    }

    pub(super) fn unassigned_devices(&mut self) -> Result<BTreeMap<String, VirtualDevice>, SeedError> {
        let mut planted = BTreeMap::new();
        for seed in &self.seed.virtual_mfa_devices {
            let serial = virtual_serial(self.place(), &seed.path, &seed.name);
            if !self.taken.insert(serial.clone()) {
                return Err(self.problem(format!("MFA device {serial} is there twice")));
            }
            let tags = seed.tags.clone();
            planted.insert(serial, VirtualDevice { tags });
        }
        Ok(planted)
    }
}

/// A key as its seed says.
pub(crate) fn access_key(seed: &KeySeed, now: DateTime<Utc>, ids: &mut IdSource) -> AccessKey {
    let last_used = seed.last_used.resolve(now).map(|at| KeyUse {
        at,
        region: seed.region.clone(),
        service: seed.service.clone(),
    });
    AccessKey {
        id: seed.id.clone().unwrap_or_else(|| ids.unique("AKIA")),
        status: seed.status.clone(),
        created: seed.age.resolve(now).unwrap_or(now),
        last_used,
    }
}

/// SSH public keys as their seeds say.
pub(crate) fn ssh_keys(seeds: &[UploadSeed], now: DateTime<Utc>, ids: &mut IdSource) -> Vec<Uploaded> {
    uploaded(seeds, now, || ids.unique("APKA"))
}

/// Signing certificates as their seeds say.
pub(crate) fn certificates(seeds: &[UploadSeed], now: DateTime<Utc>, ids: &mut IdSource) -> Vec<Uploaded> {
    uploaded(seeds, now, || ids.base32(32))
}

fn uploaded(seeds: &[UploadSeed], now: DateTime<Utc>, mut id: impl FnMut() -> String) -> Vec<Uploaded> {
    let planted = |seed: &UploadSeed| Uploaded {
        id: seed.id.clone().unwrap_or_else(&mut id),
        status: seed.status.clone(),
        at: seed.age.resolve(now).unwrap_or(now),
    };
    seeds.iter().map(planted).collect()
}

/// Credentials for one service as their seeds say, or what is wrong with one.
pub(crate) fn service_credentials(
    user: &str,
    seeds: &[ServiceCredentialSeed],
    place: Place<'_>,
    ids: &mut IdSource,
) -> Result<Vec<ServiceCredential>, String> {
    let mut planted = Vec::new();
    for seed in seeds {
        let service = format!(
            "{}.amazonaws.com",
            seed.service.trim_end_matches(".amazonaws.com")
        );
        if !CREDENTIAL_SERVICES.contains(&service.as_str()) {
            return Err(format!(
                "`{user}` has a credential of `{}`, which gives none",
                seed.service
            ));
        }
        planted.push(ServiceCredential {
            id: seed.id.clone().unwrap_or_else(|| ids.unique("ACCA")),
            name: service_user_name(&service, user, place.account, ids),
            service,
            status: seed.status.clone(),
            created: seed.age.resolve(place.now).unwrap_or(place.now),
            expires: seed.expires.resolve(place.now),
        });
    }
    Ok(planted)
}

/// Virtual devices are there for themselves as well as with their owners.
pub(crate) fn register_devices(account: &mut Account) {
    let in_use: Vec<String> = account.devices_in_use().into_keys().map(str::to_owned).collect();
    for serial in in_use.into_iter().filter(|serial| is_virtual(serial)) {
        account.virtual_devices.entry(serial).or_default();
    }
}

/// The devices of a user, or of root, by serial number.
pub(crate) fn devices(
    owner: Option<&str>,
    seed: &MfaSeed,
    made: DateTime<Utc>,
    place: Place<'_>,
    ids: &mut IdSource,
) -> Vec<(String, DateTime<Utc>)> {
    let planted = |device: DeviceSeed| {
        let enabled = device.age.resolve(place.now).unwrap_or(made);
        (serial(owner, device, place, ids), enabled)
    };
    seed.devices().into_iter().map(planted).collect()
}

/// A device's serial number: as given, or in the form that AWS gives to devices of its kind.
fn serial(owner: Option<&str>, device: DeviceSeed, place: Place<'_>, ids: &mut IdSource) -> String {
    let DeviceSeed {
        kind, name, serial, ..
    } = device;
    if let Some(serial) = serial {
        return serial;
    }
    match kind {
        MfaKind::None | MfaKind::Virtual => {
            let usual = owner.unwrap_or("root-account-mfa-device");
            virtual_serial(place, "/", name.as_deref().unwrap_or(usual))
        }
        MfaKind::Hardware => format!("GAHT{}", ids.digits(8)),
        MfaKind::Passkey => {
            let Place {
                partition, account, ..
            } = place;
            let owner = owner.map_or_else(|| "root".to_owned(), |user| format!("user/{user}"));
            let name = name.as_deref().unwrap_or("passkey");
            format!(
                "arn:{partition}:iam::{account}:u2f/{owner}/{name}-{}",
                ids.base32(26)
            )
        }
    }
}

fn virtual_serial(place: Place<'_>, path: &str, name: &str) -> String {
    format!("arn:{}:iam::{}:mfa{path}{name}", place.partition, place.account)
}
