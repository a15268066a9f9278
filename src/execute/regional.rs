//! What is so of something in a region, read live.

use super::precondition::{LiveError, gone_is_none};
use crate::aws::Reader;
use crate::model::{
    AnalyzerSettings, Arn, Change, InstanceGrounds, Inverse, Region, RegionalChange, RegionalInverse,
    RegionalState,
};
use crate::plan::Operation;

/// Reads what is so right now, of the kind that `planned` is. `None`: the thing is gone.
pub(super) async fn read(
    reader: &Reader,
    resource: &Arn,
    operation: &Operation,
    planned: &RegionalState,
) -> Result<Option<RegionalState>, LiveError> {
    match planned {
        RegionalState::Trail { .. } => {
            let trail = made_trail(operation).unwrap_or(resource);
            let trail = reader.trail(trail, &home(trail)?).await?;
            Ok(Some(RegionalState::Trail { trail }))
        }
        RegionalState::Logging { .. } => {
            let logging = gone_is_none(reader.trail_is_logging(resource, &home(resource)?).await)?;
            Ok(logging.map(|logging| RegionalState::Logging { logging }))
        }
        RegionalState::MetricFilter { .. } => {
            let name = named(operation)?;
            let filter = gone_is_none(reader.metric_filter(resource, name).await)?;
            Ok(filter.map(|filter| RegionalState::MetricFilter { filter }))
        }
        RegionalState::MetricAlarm { .. } => {
            let alarm = reader.metric_alarm(&home(resource)?, named(operation)?).await?;
            Ok(Some(RegionalState::MetricAlarm { alarm }))
        }
        RegionalState::Analyzer { .. } => {
            let analyzer = read_analyzer(reader, operation).await?;
            Ok(Some(RegionalState::Analyzer { analyzer }))
        }
        RegionalState::InstanceProfile { grounds, .. } => {
            let Some(instance) = gone_is_none(reader.instance(resource).await)? else {
                return Ok(None);
            };
            let grounds = match grounds {
                Some(_) => Some(InstanceGrounds {
                    state: instance.state,
                    role: role_to_be_given(reader, operation).await?,
                }),
                None => None,
            };
            Ok(Some(RegionalState::InstanceProfile {
                profile: instance.profile.map(|profile| profile.arn),
                grounds,
            }))
        }
    }
}

/// The analyzer of that ARN; before one is made, else any other that does its job: none beside that is needed, nor allowed.
async fn read_analyzer(
    reader: &Reader,
    operation: &Operation,
) -> Result<Option<AnalyzerSettings>, LiveError> {
    let (settings, others_count) = match operation {
        Operation::Apply(Change::Regional(RegionalChange::CreateAnalyzer(settings))) => (settings, true),
        Operation::Undo(Inverse::Regional(RegionalInverse::DeleteAnalyzer(settings))) => (settings, false),
        Operation::Apply(_) | Operation::Undo(_) => {
            return Err(LiveError::Unknown("the operation names no analyzer".to_owned()));
        }
    };
    let live = reader.analyzers(&home(&settings.arn)?).await?;
    let live = live.into_iter().map(|live| live.settings);
    let (own, others): (Vec<_>, Vec<_>) = live.partition(|analyzer| analyzer.arn == settings.arn);
    let mut others = others
        .into_iter()
        .filter(|analyzer| others_count && analyzer.kind.looks_outside());
    Ok(own.into_iter().next().or_else(|| others.next()))
}

/// The role in the profile that an instance is to get; `None`: it holds none, or there is no such profile.
async fn role_to_be_given(reader: &Reader, operation: &Operation) -> Result<Option<Arn>, LiveError> {
    let Operation::Apply(Change::Regional(RegionalChange::AssociateInstanceProfile { profile_arn })) =
        operation
    else {
        return Err(LiveError::Unknown(
            "the operation gives no instance profile".to_owned(),
        ));
    };
    let profile = gone_is_none(reader.instance_profile(profile_arn).await)?;
    // A namesake under another path is another profile.
    Ok(profile
        .filter(|profile| profile.arn == *profile_arn)
        .and_then(|profile| profile.role))
}

/// The trail that is made or unmade: the resource is the account then.
fn made_trail(operation: &Operation) -> Option<&Arn> {
    match operation {
        Operation::Apply(Change::Regional(RegionalChange::CreateTrail(settings)))
        | Operation::Undo(Inverse::Regional(RegionalInverse::DeleteTrail(settings))) => Some(&settings.arn),
        Operation::Apply(_) | Operation::Undo(_) => None,
    }
}

/// The name of the metric filter or alarm that is made or deleted.
fn named(operation: &Operation) -> Result<&str, LiveError> {
    let name = match operation {
        Operation::Apply(Change::Regional(change)) => match change {
            RegionalChange::PutMetricFilter(filter) => Some(&filter.name),
            RegionalChange::PutMetricAlarm(alarm) => Some(&alarm.name),
            RegionalChange::StartLogging {}
            | RegionalChange::UpdateTrail(_)
            | RegionalChange::CreateTrail(_)
            | RegionalChange::CreateAnalyzer(_)
            | RegionalChange::AssociateInstanceProfile { .. } => None,
        },
        Operation::Undo(Inverse::Regional(inverse)) => match inverse {
            RegionalInverse::DeleteMetricFilter { filter_name: name }
            | RegionalInverse::DeleteMetricAlarm { alarm_name: name } => Some(name),
            RegionalInverse::StopLogging {}
            | RegionalInverse::RestoreTrail(_)
            | RegionalInverse::DeleteTrail(_)
            | RegionalInverse::DeleteAnalyzer(_)
            | RegionalInverse::DisassociateInstanceProfile { .. } => None,
        },
        Operation::Apply(_) | Operation::Undo(_) => None,
    };
    let none = || LiveError::Unknown("the operation names no metric filter or alarm".to_owned());
    name.map(String::as_str).ok_or_else(none)
}

fn home(resource: &Arn) -> Result<Region, LiveError> {
    Region::parse(resource.region()).map_err(|error| LiveError::Unknown(format!("{resource}: {error}")))
}
