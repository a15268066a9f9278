//! The managed policies of AWS that every account has: a handful, with documents much like the real ones.

use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::account::{ManagedPolicy, PolicyVersion};

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    path: String,
    version: String,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
    description: String,
    document: serde_json::Value,
}

fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    // The file is part of the program and read by a test, so a fallback is never taken.
    ENTRIES.get_or_init(|| serde_json::from_str(include_str!("managed.json")).unwrap_or_default())
}

/// A name made of letters from the policy's own name, so that it is the same in each account, as it is at AWS.
fn policy_id(name: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let letters = (0..17).map(|round| {
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte))
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(round);
        }
        let index = usize::try_from((hash >> 33) % 32).unwrap_or_default();
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[index])
    });
    "ANPA".chars().chain(letters).collect()
}

/// The policies as they stand in an account of this partition.
pub(crate) fn policies(partition: &str) -> impl Iterator<Item = ManagedPolicy> {
    let policy = move |entry: &Entry| ManagedPolicy {
        name: entry.name.clone(),
        id: policy_id(&entry.name),
        arn: format!("arn:{partition}:iam::aws:policy{}{}", entry.path, entry.name),
        path: entry.path.clone(),
        description: Some(entry.description.clone()),
        created: entry.created,
        updated: entry.updated,
        versions: vec![PolicyVersion {
            id: entry.version.clone(),
            document: entry
                .document
                .to_string()
                .replace("arn:aws:", &format!("arn:{partition}:")),
            created: entry.updated,
        }],
        default_version: entry.version.clone(),
        last_number: entry.version.trim_start_matches('v').parse().unwrap_or(1),
        tags: std::collections::BTreeMap::new(),
    };
    entries().iter().map(policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::{PolicyDocument, Purpose};

    #[test]
    fn every_document_is_sound() {
        assert!(entries().len() > 20);
        for policy in policies("aws") {
            assert!(
                PolicyDocument::parse(policy.document(), Purpose::Identity).is_ok(),
                "{}",
                policy.name
            );
        }
    }

    #[test]
    fn the_partition_is_in_the_arn_and_the_id_is_always_the_same() {
        let find =
            |partition: &'static str| policies(partition).find(|policy| policy.name == "SecurityAudit");
        let (china, world) = (find("aws-cn"), find("aws"));
        assert_eq!(
            china.as_ref().map(|p| p.arn.as_str()),
            Some("arn:aws-cn:iam::aws:policy/SecurityAudit")
        );
        assert_eq!(china.map(|p| p.id), world.map(|p| p.id));
    }
}
