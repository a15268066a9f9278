//! Statements that are alike for every database: they bind text and whole numbers, and read rows of such.

use futures_util::{Stream, TryStreamExt as _};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Postgres, Row, SqlSafeStr, SqlStr, Sqlite};

use super::connection::Connection;
use super::error::Cause;
use super::postgres::{answered, in_time};

/// Rows that can be read from every database: tuples of text and whole numbers, absent or not.
pub(super) trait Columns:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Columns for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// What is bound.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(ToOwned::to_owned))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

/// Truth is 1 and 0 in every database.
impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Number(Some(truth.into()))
    }
}

/// A statement and what is bound to `$1`, `$2` and so on.
#[derive(Debug)]
pub(super) struct Statement {
    sql: SqlStr,
    values: Vec<Value>,
}

/// A statement with nothing bound yet.
pub(super) fn query(sql: impl SqlSafeStr) -> Statement {
    Statement {
        sql: sql.into_sql_str(),
        values: Vec::new(),
    }
}

/// The statement with its values, for one database.
macro_rules! bound {
    ($database:ty, $statement:expr) => {{
        let Statement { sql, values } = $statement;
        let mut query = sqlx::query::<$database>(sql);
        for value in values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
            };
        }
        query
    }};
}

impl Statement {
    /// Binds the next value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it, and says how many rows it changed.
    pub(super) async fn execute(self, connection: &mut Connection) -> Result<u64, Cause> {
        match connection {
            Connection::Sqlite(transaction) => {
                let done = bound!(Sqlite, self).execute(&mut **transaction).await;
                Ok(done.map_err(Cause::of_sqlite)?.rows_affected())
            }
            Connection::Postgres(transaction) => {
                let done = answered(bound!(Postgres, self).execute(&mut **transaction)).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Its rows.
    pub(super) async fn fetch_all<T: Columns>(self, connection: &mut Connection) -> Result<Vec<T>, Cause> {
        match connection {
            Connection::Sqlite(transaction) => {
                let rows = bound!(Sqlite, self).fetch_all(&mut **transaction).await;
                let rows = rows.map_err(Cause::of_sqlite)?;
                let read = rows.iter().map(T::from_row).collect::<Result<_, _>>();
                read.map_err(Cause::of_sqlite)
            }
            Connection::Postgres(transaction) => {
                let rows = answered(bound!(Postgres, self).fetch_all(&mut **transaction)).await?;
                let read = rows.iter().map(T::from_row).collect::<Result<_, _>>();
                read.map_err(Cause::of_postgres)
            }
        }
    }

    /// Its first row, if it has one.
    pub(super) async fn fetch_optional<T: Columns>(
        self,
        connection: &mut Connection,
    ) -> Result<Option<T>, Cause> {
        match connection {
            Connection::Sqlite(transaction) => {
                let row = bound!(Sqlite, self).fetch_optional(&mut **transaction).await;
                let row = row.map_err(Cause::of_sqlite)?;
                row.as_ref()
                    .map(T::from_row)
                    .transpose()
                    .map_err(Cause::of_sqlite)
            }
            Connection::Postgres(transaction) => {
                let row = answered(bound!(Postgres, self).fetch_optional(&mut **transaction)).await?;
                row.as_ref()
                    .map(T::from_row)
                    .transpose()
                    .map_err(Cause::of_postgres)
            }
        }
    }

    /// Its only row.
    pub(super) async fn fetch_one<T: Columns>(self, connection: &mut Connection) -> Result<T, Cause> {
        let row = self.fetch_optional(connection).await?;
        row.ok_or(Cause::Database(sqlx::Error::RowNotFound))
    }

    /// The only column of its rows.
    pub(super) async fn fetch_values<T>(self, connection: &mut Connection) -> Result<Vec<T>, Cause>
    where
        (T,): Columns,
    {
        let rows: Vec<(T,)> = self.fetch_all(connection).await?;
        Ok(rows.into_iter().map(|(value,)| value).collect())
    }

    /// The only column of its first row, if it has one.
    pub(super) async fn fetch_optional_value<T>(self, connection: &mut Connection) -> Result<Option<T>, Cause>
    where
        (T,): Columns,
    {
        let row: Option<(T,)> = self.fetch_optional(connection).await?;
        Ok(row.map(|(value,)| value))
    }

    /// The only column of its only row.
    pub(super) async fn fetch_value<T>(self, connection: &mut Connection) -> Result<T, Cause>
    where
        (T,): Columns,
    {
        let (value,) = self.fetch_one(connection).await?;
        Ok(value)
    }

    /// Shows every row as it comes, however many there are.
    pub(super) async fn for_each<T: Columns>(
        self,
        connection: &mut Connection,
        mut visit: impl FnMut(T) + Send,
    ) -> Result<(), Cause> {
        match connection {
            Connection::Sqlite(transaction) => {
                let mut rows = bound!(Sqlite, self).fetch(&mut **transaction);
                while let Some(row) = rows.try_next().await.map_err(Cause::of_sqlite)? {
                    visit(T::from_row(&row).map_err(Cause::of_sqlite)?);
                }
            }
            Connection::Postgres(transaction) => {
                let mut rows = bound!(Postgres, self).fetch(&mut **transaction);
                while let Some(row) = answered(rows.try_next()).await? {
                    visit(T::from_row(&row).map_err(Cause::of_postgres)?);
                }
            }
        }
        Ok(())
    }

    /// Hands its rows on in chunks of so many at most.
    pub(super) async fn for_each_chunk<T: Columns>(
        self,
        connection: &mut Connection,
        size: usize,
        visit: impl AsyncFnMut(Vec<T>) -> Result<(), Cause>,
    ) -> Result<(), Cause> {
        match connection {
            Connection::Sqlite(transaction) => {
                let rows = bound!(Sqlite, self).fetch(&mut **transaction);
                hand_on(rows, Cause::of_sqlite, size, visit).await
            }
            Connection::Postgres(transaction) => {
                let rows = bound!(Postgres, self).fetch(&mut **transaction);
                hand_on(rows, Cause::of_postgres, size, visit).await
            }
        }
    }
}

/// Hands rows on in chunks of so many.
async fn hand_on<R: Row, T: for<'r> FromRow<'r, R>>(
    mut rows: impl Stream<Item = Result<R, sqlx::Error>> + Unpin,
    cause: fn(sqlx::Error) -> Cause,
    size: usize,
    mut visit: impl AsyncFnMut(Vec<T>) -> Result<(), Cause>,
) -> Result<(), Cause> {
    let mut chunk = Vec::new();
    while let Some(row) = in_time(rows.try_next()).await.map_err(cause)? {
        chunk.push(T::from_row(&row).map_err(cause)?);
        if chunk.len() == size {
            visit(std::mem::take(&mut chunk)).await?;
        }
    }
    match chunk.is_empty() {
        true => Ok(()),
        false => visit(chunk).await,
    }
}

/// Runs several statements without values, separated by semicolons.
#[cfg(test)]
pub(super) async fn run_script(connection: &mut Connection, sql: impl SqlSafeStr) -> Result<(), Cause> {
    use sqlx::Executor as _;

    let script = sqlx::raw_sql(sql);
    match connection {
        Connection::Sqlite(transaction) => {
            transaction.execute(script).await.map_err(Cause::of_sqlite)?;
        }
        Connection::Postgres(transaction) => {
            answered(transaction.execute(script)).await?;
        }
    }
    Ok(())
}

/// `($1, $2), ($3, $4)` and so on: the places of so many rows of so many columns.
pub(super) fn places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places: Vec<_> = (1..=columns)
            .map(|column| format!("${}", row * columns + column))
            .collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    rows.join(", ")
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn places_are_numbered_through() {
        assert_eq!(places(2, 3), "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(places(1, 1), "($1)");
    }
}
