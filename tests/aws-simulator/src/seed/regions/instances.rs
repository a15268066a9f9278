//! Instances of a seed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::seed::When;

/// An instance of EC2.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceSeed {
    /// Its id; made up unless given.
    pub id: Option<String>,
    /// Plants so many instances like this one, with ids made up.
    pub repeat: Option<u32>,
    /// `running` unless given.
    pub state: String,
    /// The name of its instance profile, if it has one; one that IAM does not know has gone since.
    pub profile: Option<String>,
    /// How far that profile is: `associated` unless given, or `associating` or `disassociating`.
    pub profile_state: String,
    /// The service that manages it, such as `eks.amazonaws.com`.
    pub managed_by: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How long ago it was launched.
    pub age: When,
    /// `required` unless given, which is IMDSv2 alone, or `optional`.
    pub http_tokens: String,
    /// `enabled` unless given, or `disabled`.
    pub http_endpoint: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The id of its reservation, which several instances may share; made up unless given.
    pub reservation: Option<String>,
}

impl Default for InstanceSeed {
    fn default() -> Self {
        Self {
            id: None,
            repeat: None,
            state: "running".to_owned(),
            profile: None,
            profile_state: "associated".to_owned(),
            managed_by: None,
            kind: "t3.micro".to_owned(),
            age: When::days(30),
            http_tokens: "required".to_owned(),
            http_endpoint: "enabled".to_owned(),
            tags: BTreeMap::new(),
            reservation: None,
        }
    }
}
