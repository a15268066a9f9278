//! `[notifications]`: who is told, and by which channel.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{SecretReference, Window, optional_text};
use super::{Network, OrEmpty};
use crate::model::{Glob, Owner};

/// `[notifications]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// The first of these tags on a principal names its owner.
    pub owner_tags: Vec<String>,
    /// A declared channel: gets what has no owner or no channel, and the digest of rules in `report`.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub default_channel: Option<String>,
    /// Reminders wait for its end.
    #[serde(with = "optional_text")]
    #[schemars(with = "OrEmpty<Window>")]
    pub quiet_hours: Option<Window>,
    /// Private or loopback ranges that channels may reach.
    #[schemars(with = "Vec<Network>")]
    pub allow_networks: Vec<IpNet>,
    /// Whether channels may use `http:`.
    pub allow_http: bool,
    /// Hosts that answers to clicks in Slack may go to.
    pub slack_hosts: Vec<String>,
    /// Where messages go.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// Who owns what, and how owners are reached.
    #[serde(default)]
    pub owners: Vec<OwnerEntry>,
}

/// `[[notifications.channels]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// By which others refer to it.
    pub name: String,
    /// What is spoken there.
    pub kind: ChannelKind,
    /// The webhook's URL, which is itself a secret.
    pub url: SecretReference,
    /// What signs the body; kind `webhook` only.
    #[serde(default)]
    pub secret: Option<SecretReference>,
    /// By which Slack signs clicks; kind `slack` only. With it, messages carry buttons.
    #[serde(default)]
    pub signing_secret: Option<SecretReference>,
    /// Also gets a copy of these events: names, or `*`.
    #[serde(default)]
    pub events: Vec<String>,
}

/// What is spoken at a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// A Slack incoming webhook (Block Kit).
    Slack,
    /// A Teams Workflows webhook (Adaptive Cards).
    Teams,
    /// JSON, signed as Standard Webhooks.
    Webhook,
}

/// `[[notifications.owners]]`: either says who owns principals, or how an owner is reached.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OwnerEntry {
    /// These principals belong to this owner, whatever their tags say.
    Map(OwnerMap),
    /// Owners that match are reached there.
    Route(OwnerRoute),
}

/// Who owns some principals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerMap {
    /// Patterns over the part of the ARN after the account.
    pub principals: Vec<Glob>,
    /// Their owner.
    pub owner: Owner,
}

/// How an owner is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerRoute {
    /// A glob over the owner's name.
    #[serde(rename = "match")]
    pub pattern: Glob,
    /// A declared channel.
    pub channel: String,
    /// How the channel mentions the owner, in its own markup.
    #[serde(default)]
    pub mention: Option<String>,
}

/// Says which form was meant, where serde's own message for untagged enums says nothing.
impl<'de> Deserialize<'de> for OwnerEntry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            principals: Option<Vec<Glob>>,
            owner: Option<Owner>,
            #[serde(rename = "match")]
            pattern: Option<Glob>,
            channel: Option<String>,
            mention: Option<String>,
        }
        let entry = Entry::deserialize(deserializer)?;
        match entry {
            Entry {
                principals: Some(principals),
                owner: Some(owner),
                pattern: None,
                channel: None,
                mention: None,
            } => Ok(Self::Map(OwnerMap { principals, owner })),
            Entry {
                principals: None,
                owner: None,
                pattern: Some(pattern),
                channel: Some(channel),
                mention,
            } => Ok(Self::Route(OwnerRoute {
                pattern,
                channel,
                mention,
            })),
            Entry { .. } => Err(serde::de::Error::custom(
                "expected either `principals` with `owner`, or `match` with `channel` and perhaps `mention`",
            )),
        }
    }
}
