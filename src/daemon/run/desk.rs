//! What people ask of the daemon from outside: decisions and rollbacks. They are carried out by the daemon's own task, so
//! that a client that goes away in the middle takes nothing with it, and so that the end of the process waits for them.

use tokio::sync::{mpsc, oneshot};

use super::{DecideError, DecisionMade, DecisionRequest, House, Reach, Run, Undo, UndoError};
use crate::daemon::{InForce, Wake, queue};
use crate::execute::ActionReport;
use crate::model::Person;
use crate::plan::{self, Refusal};
use crate::state::StateError;
use crate::telemetry::Chain;

/// How many may wait at once.
const ROOM: usize = 64;

/// What was undone.
#[derive(Debug, Clone)]
pub struct RolledBack {
    /// The run in the history.
    pub run: String,
    /// What became of each change.
    pub reports: Vec<ActionReport>,
}

/// Why nothing was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// The person may not.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing is changed in a dry run.
    #[error("dry_run = true in the configuration: nothing is rolled back")]
    DryRun,
    /// It was never applied, or it was rolled back already.
    #[error("nothing to roll back: it was never applied, or it was rolled back already")]
    Nothing,
    /// Nobody knows yet whether it was applied.
    #[error(
        "it is still being settled: what became of it shows when AWS said the same for a minute; then try again"
    )]
    Settling,
    /// Nobody ever heard of it.
    #[error(transparent)]
    Unheard(#[from] UndoError),
    /// It could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The daemon ends, and takes nothing on any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("iamwarden is ending: nothing was done; try again when it runs")]
pub struct Ending;

enum Errand {
    Decide(
        DecisionRequest,
        oneshot::Sender<Result<DecisionMade, DecideError>>,
    ),
    RollBack {
        undo: Undo,
        person: Person,
        answer: oneshot::Sender<Result<RolledBack, RollbackError>>,
    },
}

/// Where errands are handed in.
#[derive(Debug, Clone)]
pub struct Desk(mpsc::Sender<Errand>);

/// What was handed in, for the daemon's task.
#[derive(Debug)]
pub struct Errands(mpsc::Receiver<Errand>);

impl std::fmt::Debug for Errand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Decide(request, _) => f.debug_tuple("Decide").field(request).finish(),
            Self::RollBack {
                undo,
                person,
                answer: _,
            } => f
                .debug_struct("RollBack")
                .field("undo", undo)
                .field("person", person)
                .finish(),
        }
    }
}

impl Desk {
    /// A desk, and what is handed in there.
    pub fn open() -> (Self, Errands) {
        let (sender, receiver) = mpsc::channel(ROOM);
        (Self(sender), Errands(receiver))
    }

    /// Has a decision recorded.
    ///
    /// # Errors
    /// [`Ending`], and within it what the decision came to.
    pub async fn decide(
        &self,
        request: DecisionRequest,
    ) -> Result<Result<DecisionMade, DecideError>, Ending> {
        let (answer, answered) = oneshot::channel();
        let errand = Errand::Decide(request, answer);
        self.0.send(errand).await.map_err(|_| Ending)?;
        answered.await.map_err(|_| Ending)
    }

    /// Has something rolled back.
    ///
    /// # Errors
    /// [`Ending`], and within it what the rollback came to.
    pub async fn roll_back(
        &self,
        undo: Undo,
        person: Person,
    ) -> Result<Result<RolledBack, RollbackError>, Ending> {
        let (answer, answered) = oneshot::channel();
        let errand = Errand::RollBack { undo, person, answer };
        self.0.send(errand).await.map_err(|_| Ending)?;
        answered.await.map_err(|_| Ending)
    }
}

impl Errands {
    /// Carries errands out until the process is told to stop, and then those that were begun.
    pub async fn serve(mut self, in_force: &InForce, delivery: &Wake) {
        let open = queue::carry_out_until_stopped(&mut self.0, in_force, delivery, run).await;
        queue::finish(open, delivery).await;
    }
}

async fn run(house: House, errand: Errand) {
    // Where the client went away nobody waits: what was done stands in the journal, what failed is told here.
    match errand {
        Errand::Decide(request, answer) => {
            if let Err(Err(error)) = answer.send(decide(&house, &request).await) {
                tracing::warn!(error = %Chain(&error), "a decision came to nothing, and whoever asked is gone");
            }
        }
        Errand::RollBack { undo, person, answer } => {
            if let Err(Err(error)) = answer.send(roll_back(&house, &undo, &person).await) {
                tracing::warn!(error = %Chain(&error), "a rollback came to nothing, and whoever asked is gone");
            }
        }
    }
}

async fn decide(house: &House, request: &DecisionRequest) -> Result<DecisionMade, DecideError> {
    match &house.state {
        Some(state) => Box::pin(house.decide(state, request)).await,
        None => Err(DecideError::NoState),
    }
}

async fn roll_back(house: &House, undo: &Undo, person: &Person) -> Result<RolledBack, RollbackError> {
    let Some(state) = &house.state else {
        return Err(RollbackError::Nothing);
    };
    plan::may_decide(&house.config, person)?;
    if house.config.dry_run {
        return Err(RollbackError::DryRun);
    }
    let run = Run::new(house, Reach::Change);
    let undoable = run.undoable(state, undo).await?;
    let reports = match undoable.applied.is_empty() {
        true => Vec::new(),
        false => Box::pin(run.undo(state, &undoable, &person.name)).await?,
    };
    let told: Vec<_> = undoable.settled.iter().chain(&reports).cloned().collect();
    run.tell_rollback(state, &told, &person.name).await?;
    if undoable.applied.is_empty() {
        return Err(match undoable.open {
            0 => RollbackError::Nothing,
            _ => RollbackError::Settling,
        });
    }
    Ok(RolledBack {
        run: run.id.clone(),
        reports,
    })
}
