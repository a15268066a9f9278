//! What a change makes of what lives in a region.

use super::{Before, Difference, Field, UNTOLD};
use crate::model::{
    Inverse, Precondition, RegionalChange, RegionalInverse, RegionalState, TrailSettings, TrailUpdate,
};

/// The verb of each kind of change.
pub(super) fn verb(change: &RegionalChange) -> &'static str {
    match change {
        RegionalChange::StartLogging {} => "start logging",
        RegionalChange::UpdateTrail(_) => "update trail",
        RegionalChange::CreateTrail(_) => "create trail",
        RegionalChange::PutMetricFilter(_) => "put metric filter",
        RegionalChange::PutMetricAlarm(_) => "put metric alarm",
        RegionalChange::CreateAnalyzer(_) => "create analyzer",
        RegionalChange::AssociateInstanceProfile { .. } => "associate instance profile",
    }
}

/// What this change makes of this state.
pub(super) fn difference(change: &RegionalChange, before: Before<'_>) -> Difference {
    let (subject, changed) = match change {
        RegionalChange::StartLogging {} => (String::new(), vec![field("logging", "stopped", "on")]),
        RegionalChange::UpdateTrail(update) => (String::new(), trail_fields(update, before)),
        RegionalChange::CreateTrail(settings) => (
            settings.name.clone(),
            vec![
                field(
                    "trail",
                    "none",
                    &format!("all regions, from {}", settings.home_region),
                ),
                field("bucket", "none", &settings.bucket),
            ],
        ),
        RegionalChange::PutMetricFilter(filter) => (
            filter.name.clone(),
            vec![field("pattern", "no such filter", &filter.pattern)],
        ),
        RegionalChange::PutMetricAlarm(alarm) => {
            let metrics: Vec<_> = alarm.metrics.iter().map(ToString::to_string).collect();
            let tells = format!("tells {}", alarm.actions.join(", "));
            (
                alarm.name.clone(),
                vec![field(&metrics.join(", "), "no such alarm", &tells)],
            )
        }
        RegionalChange::CreateAnalyzer(settings) => (
            settings.name.clone(),
            vec![field(
                &format!("analyzer in {}", settings.arn.region()),
                "none",
                "access from outside the account",
            )],
        ),
        RegionalChange::AssociateInstanceProfile { profile_arn } => (
            String::new(),
            vec![field("instance profile", "none", profile_arn.name())],
        ),
    };
    Difference {
        verb: verb(change),
        subject,
        changed,
        kept: Vec::new(),
        remark: None,
    }
}

fn field(name: &str, before: &str, after: &str) -> Field {
    Field {
        name: name.to_owned(),
        before: before.to_owned(),
        after: after.to_owned(),
    }
}

fn trail_fields(update: &TrailUpdate, before: Before<'_>) -> Vec<Field> {
    let of = |old: &TrailSettings| update.reversed(old).fields();
    let old = match before {
        Before::Demanded(Precondition::Regional(RegionalState::Trail { trail: Some(old) })) => of(old),
        Before::Restorable(Some(Inverse::Regional(RegionalInverse::RestoreTrail(old)))) => old.fields(),
        Before::Demanded(_) | Before::Restorable(_) => Vec::new(),
    };
    let value = |name: &str| {
        old.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    };
    let fields = update.fields().into_iter();
    fields
        .map(|(name, after)| field(name, value(name).unwrap_or(UNTOLD), &after))
        .collect()
}
