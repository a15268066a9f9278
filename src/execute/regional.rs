//! What is so of something in a region, read live.

use super::precondition::{LiveError, gone_is_none};
use crate::aws::Reader;
use crate::model::{Arn, Change, Inverse, Region, RegionalChange, RegionalInverse, RegionalState};
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
    }
}

/// The trail that is made or unmade: the resource is the account then.
fn made_trail(operation: &Operation) -> Option<&Arn> {
    match operation {
        Operation::Apply(Change::Regional(RegionalChange::CreateTrail(settings)))
        | Operation::Undo(Inverse::Regional(RegionalInverse::DeleteTrail(settings))) => Some(&settings.arn),
        Operation::Apply(_) | Operation::Undo(_) => None,
    }
}

fn home(resource: &Arn) -> Result<Region, LiveError> {
    Region::parse(resource.region()).map_err(|error| LiveError::Unknown(format!("{resource}: {error}")))
}
