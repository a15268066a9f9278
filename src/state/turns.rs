//! Turns: what one of several replicas does for all.
//!
//! A replica says every few seconds that it is there. What it took is its own for as long as it does so, by the database's
//! clock; of one that fell silent the others take it over. A transaction that writes keeps all others out, so of two that
//! ask at once the second sees what the first took. Turns spare work and messages; that no change is made twice is the
//! lease's business.

use chrono::{DateTime, Utc};

use super::connection::{Connection, State};
use super::encoding::{parse_optional_time, time_text};
use super::error::{Cause, StateError, during};
use super::lease::LEASE_MS;
use super::statement::query;

/// After so long a replica that fell silent is forgotten.
const FORGOTTEN_MS: i64 = 24 * 60 * 60 * 1000;

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Whoever asked.
    Mine,
    /// Another replica, which is there.
    Others,
    /// Nobody: it is done.
    Done,
}

/// A turn as it stands.
struct Standing {
    holder: String,
    done_at: Option<DateTime<Utc>>,
    is_there: bool,
}

impl Standing {
    fn turn(&self, holder: &str, since: Option<DateTime<Utc>>) -> Option<Turn> {
        match self.done_at {
            // What is done is done again for a later time.
            Some(done_at) => since.is_some_and(|since| since <= done_at).then_some(Turn::Done),
            None if self.holder == holder => Some(Turn::Mine),
            None => self.is_there.then_some(Turn::Others),
        }
    }
}

impl State {
    /// Says that this replica is there.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; the others take its turns over, half a minute after the last time.
    pub async fn note_presence(&self, holder: &str) -> Result<(), StateError> {
        during("noting that this replica is there", async {
            let mut transaction = self.write().await?;
            query(
                "INSERT INTO replicas (holder, seen_ms) SELECT $1, now_ms FROM database_clock WHERE true \
                 ON CONFLICT (holder) DO UPDATE SET seen_ms = excluded.seen_ms",
            )
            .bind(holder)
            .execute(&mut transaction)
            .await?;
            query("DELETE FROM replicas WHERE seen_ms < (SELECT now_ms FROM database_clock) - $1")
                .bind(FORGOTTEN_MS)
                .execute(&mut transaction)
                .await?;
            transaction.commit().await
        })
        .await
    }

    /// Says good-bye: what this replica took and did not do is anybody's at once.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; it then is anybody's half a minute later.
    pub async fn leave(&self, holder: &str) -> Result<(), StateError> {
        during("saying that this replica leaves", async {
            let mut transaction = self.write().await?;
            for statement in [
                "DELETE FROM turns WHERE holder = $1 AND done_at IS NULL",
                "DELETE FROM replicas WHERE holder = $1",
            ] {
                query(statement).bind(holder).execute(&mut transaction).await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// Takes a duty that is never done, unless another replica has it. Whoever has it keeps it.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read or written.
    pub async fn takes_duty(&self, name: &str, holder: &str) -> Result<bool, StateError> {
        during(format!("asking whose turn `{name}` is"), async {
            let mut connection = self.read().await?;
            let standing = read_turn(&mut connection, name).await?;
            drop(connection);
            if let Some(turn) = standing.and_then(|standing| standing.turn(holder, None)) {
                return Ok(turn == Turn::Mine);
            }
            let turn = self.take(&[(name.to_owned(), None)], holder).await?;
            Ok(turn == Turn::Mine)
        })
        .await
    }

    /// Takes turns together: all that is not done since its time, unless another replica has any of it.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then none is taken.
    pub async fn take_turns(
        &self,
        names: &[(String, DateTime<Utc>)],
        holder: &str,
    ) -> Result<Turn, StateError> {
        during("taking turns", async {
            let names: Vec<_> = names
                .iter()
                .map(|(name, since)| (name.clone(), Some(*since)))
                .collect();
            // Asked again and again while others are at work: that keeps no writer out.
            let mut connection = self.read().await?;
            let (standing, _) = look(&mut connection, &names, holder).await?;
            drop(connection);
            match standing {
                Turn::Others | Turn::Done => Ok(standing),
                Turn::Mine => self.take(&names, holder).await,
            }
        })
        .await
    }

    async fn take(&self, names: &[(String, Option<DateTime<Utc>>)], holder: &str) -> Result<Turn, Cause> {
        let mut transaction = self.write().await?;
        let (standing, open) = look(&mut transaction, names, holder).await?;
        if standing != Turn::Mine {
            return Ok(standing);
        }
        for name in open {
            query(
                "INSERT INTO turns (name, holder, done_at) VALUES ($1, $2, NULL) \
                 ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, done_at = NULL",
            )
            .bind(name)
            .bind(holder)
            .execute(&mut transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(Turn::Mine)
    }

    /// Says that these turns are done. One that another replica took over meanwhile is left to it.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; somebody does them again.
    pub async fn finish_turns(
        &self,
        names: &[String],
        holder: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        during("recording that turns are done", async {
            let mut transaction = self.write().await?;
            for name in names {
                query("UPDATE turns SET done_at = $1 WHERE name = $2 AND holder = $3 AND done_at IS NULL")
                    .bind(time_text(now))
                    .bind(name)
                    .bind(holder)
                    .execute(&mut transaction)
                    .await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// Gives turns back that are not done.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; they are anybody's once this replica is not there any more.
    pub async fn give_turns_back(&self, names: &[String], holder: &str) -> Result<(), StateError> {
        during("giving turns back", async {
            let mut transaction = self.write().await?;
            for name in names {
                query("DELETE FROM turns WHERE name = $1 AND holder = $2 AND done_at IS NULL")
                    .bind(name)
                    .bind(holder)
                    .execute(&mut transaction)
                    .await?;
            }
            transaction.commit().await
        })
        .await
    }
}

/// Whose these turns are together, and which of them are there to be taken: another replica's where any of them is.
async fn look<'n>(
    connection: &mut Connection,
    names: &'n [(String, Option<DateTime<Utc>>)],
    holder: &str,
) -> Result<(Turn, Vec<&'n String>), Cause> {
    let mut open = Vec::new();
    for (name, since) in names {
        let standing = read_turn(connection, name).await?;
        match standing.and_then(|standing| standing.turn(holder, *since)) {
            Some(Turn::Others) => return Ok((Turn::Others, Vec::new())),
            Some(Turn::Done) => {}
            Some(Turn::Mine) | None => open.push(name),
        }
    }
    let turn = match open.is_empty() {
        true => Turn::Done,
        false => Turn::Mine,
    };
    Ok((turn, open))
}

async fn read_turn(connection: &mut Connection, name: &str) -> Result<Option<Standing>, Cause> {
    let row: Option<(String, Option<String>, i64)> = query(
        "SELECT t.holder, t.done_at, (SELECT COUNT(*) FROM replicas r, database_clock c \
             WHERE r.holder = t.holder AND r.seen_ms > c.now_ms - $1) \
         FROM turns t WHERE t.name = $2",
    )
    .bind(LEASE_MS)
    .bind(name)
    .fetch_optional(connection)
    .await?;
    row.map(|(holder, done_at, there)| {
        Ok(Standing {
            holder,
            done_at: parse_optional_time(done_at.as_deref())?,
            is_there: there > 0,
        })
    })
    .transpose()
}

/// A replica that is there; `None`: there is none.
pub(super) async fn read_presence(connection: &mut Connection) -> Result<Option<String>, Cause> {
    query("SELECT holder FROM replicas, database_clock WHERE seen_ms > now_ms - $1 ORDER BY holder LIMIT 1")
        .bind(LEASE_MS)
        .fetch_optional_value(connection)
        .await
}
