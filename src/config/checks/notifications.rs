//! Who is told, and by which channel.

use std::collections::BTreeSet;

use super::{Tell, check_patterns, is_blank};
use crate::config::problem::{alternatives, listed, nearest, quoted};
use crate::config::{ChannelKind, Config, OwnerEntry};
use crate::model::Event;

pub(super) fn check_owner_tags(config: &Config, tell: &mut Tell<'_>) {
    for (n, tag) in config.notifications.owner_tags.iter().enumerate() {
        if is_blank(tag) {
            tell(
                format!("notifications.owner_tags[{n}]"),
                "the name of a tag must not be blank".into(),
            );
        }
    }
}

pub(super) fn check_networks(config: &Config, tell: &mut Tell<'_>) {
    for (n, network) in config.notifications.allow_networks.iter().enumerate() {
        if network.prefix_len() == 0 {
            tell(
                format!("notifications.allow_networks[{n}]"),
                format!(
                    "`{network}` is every address: expected the private ranges that channels live in, such as \"10.0.0.0/8\""
                ),
            );
        }
    }
}

pub(super) fn check_channels(config: &Config, tell: &mut Tell<'_>) {
    let mut seen = BTreeSet::new();
    for (n, channel) in config.notifications.channels.iter().enumerate() {
        let key = |name: &str| format!("notifications.channels[{n}].{name}");
        if is_blank(&channel.name) {
            tell(key("name"), "the name of a channel must not be blank".into());
        } else if !seen.insert(&channel.name) {
            let name = quoted(&channel.name);
            tell(
                key("name"),
                format!("channel {name} is declared twice: expected each once"),
            );
        }
        match (channel.kind, &channel.secret) {
            (ChannelKind::Webhook, None) => tell(
                format!("notifications.channels[{n}]"),
                "a webhook is signed: add `secret`, a reference such as \"env:SIEM_SECRET\"".into(),
            ),
            (ChannelKind::Slack | ChannelKind::Teams, Some(_)) => tell(
                key("secret"),
                "only the kind `webhook` is signed: leave the key out".into(),
            ),
            (ChannelKind::Webhook, Some(_)) | (ChannelKind::Slack | ChannelKind::Teams, None) => {}
        }
        match (channel.kind, &channel.signing_secret) {
            (ChannelKind::Teams | ChannelKind::Webhook, Some(_)) => tell(
                key("signing_secret"),
                "only the kind `slack` has buttons: leave the key out".into(),
            ),
            (ChannelKind::Slack, Some(_)) | (_, None) => {}
        }
        for (m, event) in channel.events.iter().enumerate() {
            if event != "*" && Event::from_name(event).is_none() {
                tell(key(&format!("events[{m}]")), unknown_event(event));
            }
        }
    }
}

fn unknown_event(event: &str) -> String {
    let known = Event::ALL.map(Event::as_str);
    let allowed = match nearest(event, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected {}, or `*` for all", alternatives(&known)),
    };
    format!("{} is not an event; {allowed}", quoted(event))
}

pub(super) fn check_owner_entries(config: &Config, tell: &mut Tell<'_>) {
    for (n, entry) in config.notifications.owners.iter().enumerate() {
        let key = |name: &str| format!("notifications.owners[{n}].{name}");
        match entry {
            OwnerEntry::Map(map) => {
                if map.principals.is_empty() {
                    tell(
                        key("principals"),
                        "it is empty, and an empty list means nothing: name at least one pattern".into(),
                    );
                }
                check_patterns(&map.principals, &key("principals"), tell);
            }
            OwnerEntry::Route(route) => {
                if route.mention.as_deref().is_some_and(is_blank) {
                    tell(
                        key("mention"),
                        "the mention is blank: write one, or leave the key out".into(),
                    );
                }
            }
        }
    }
}

pub(super) fn check_channel_references(config: &Config, tell: &mut Tell<'_>) {
    let notifications = &config.notifications;
    let declared: Vec<_> = notifications.channels.iter().map(|c| c.name.as_str()).collect();
    let mut declared_or_told = |name: &str, key: String| {
        if declared.contains(&name) {
            return;
        }
        let allowed = match (nearest(name, declared.iter().copied()), declared.as_slice()) {
            (Some(meant), _) => format!("did you mean `{meant}`?"),
            (None, []) => "none is: declare it under [[notifications.channels]]".to_owned(),
            (None, known) => format!("declared are {}", listed(known, "and")),
        };
        tell(
            key,
            format!("{} is not a declared channel; {allowed}", quoted(name)),
        );
    };
    if let Some(name) = &notifications.default_channel {
        declared_or_told(name, "notifications.default_channel".into());
    }
    for (n, name) in config.reports.channels.iter().enumerate() {
        declared_or_told(name, format!("reports.channels[{n}]"));
    }
    for (n, entry) in notifications.owners.iter().enumerate() {
        match entry {
            OwnerEntry::Route(route) => {
                declared_or_told(&route.channel, format!("notifications.owners[{n}].channel"));
            }
            OwnerEntry::Map(_) => {}
        }
    }
}
