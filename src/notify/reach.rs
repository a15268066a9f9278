//! By which channel an owner is reached.

use crate::config::{Notifications, OwnerEntry};
use crate::model::Owner;

/// Where an owner's messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach<'a> {
    /// The declared channel; `None`: there is none, and nothing can be sent.
    pub channel: Option<&'a str>,
    /// How that channel mentions the owner.
    pub mention: Option<&'a str>,
}

/// The first entry that matches the owner's name, else the default channel, where nobody is mentioned.
pub fn reach<'a>(notifications: &'a Notifications, owner: Option<&Owner>) -> Reach<'a> {
    let route = owner.and_then(|owner| {
        notifications.owners.iter().find_map(|entry| match entry {
            OwnerEntry::Route(route) if route.pattern.matches(&owner.0) => Some(route),
            OwnerEntry::Route(_) | OwnerEntry::Map(_) => None,
        })
    });
    match route {
        Some(route) => Reach {
            channel: Some(&route.channel),
            mention: route.mention.as_deref(),
        },
        None => Reach {
            channel: notifications.default_channel.as_deref(),
            mention: None,
        },
    }
}
