//! Log lines on stderr: JSON for machines, plain lines for people.

use std::any::Any;
use std::fmt;
use std::io::IsTerminal;

use chrono::SecondsFormat;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::traces::Traces;
use crate::daemon::Clock;

/// What is logged where nobody says otherwise.
const DEFAULT_LEVEL: &str = "warn,iamwarden=info";

/// The fields that every line takes over from its spans.
const SPAN_FIELDS: [&str; 3] = ["run", "account", "rule"];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

impl LogFormat {
    /// Lines for people on a terminal, JSON anywhere else.
    pub fn of_stderr() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Pretty
        } else {
            Self::Json
        }
    }
}

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A part of `--log-level` is neither a level nor `target=level`.
    #[error(
        "`{directive}` is not a log level: use trace, debug, info, warn, error or off, alone or as \
         iamwarden::MODULE=LEVEL, joined by commas (such as \"info,iamwarden::execute=debug\")"
    )]
    Level {
        /// The part.
        directive: String,
    },
    /// There is a subscriber already.
    #[error("logging was started twice in this process")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Starts logging to stderr, and gathering spans where there is a collector for them.
///
/// Foreign crates never log below `info`, whatever `level` says: at `debug` the AWS SDK and the HTTP and TLS crates
/// print headers, bodies and credentials.
///
/// # Errors
/// [`LogError`] for a level that cannot be read, and where logging was started before.
pub fn install(
    format: Option<LogFormat>,
    level: Option<&str>,
    traces: Option<&Traces>,
) -> Result<(), LogError> {
    let format = format.unwrap_or_else(LogFormat::of_stderr);
    let colour = std::io::stderr().is_terminal();
    let targets = parse_level(level.unwrap_or(DEFAULT_LEVEL))?;
    tracing_subscriber::registry()
        .with(layer(format, targets, colour, Clock::system(), std::io::stderr))
        .with(traces.map(Traces::layer))
        .try_init()
        .map_err(LogError::Twice)
}

/// Logs panics instead of printing them. A formatted payload may hold anything, so only a literal one is shown.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        tracing::error!(
            location = panic.location().map(tracing::field::display),
            thread = thread.name(),
            "panicked: {}; this is a defect of iamwarden, please report it with this line",
            literal(panic.payload())
        );
    }));
}

/// The payload, if it is a literal of the program text.
fn literal(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(payload withheld)")
}

fn parse_level(text: &str) -> Result<Targets, LogError> {
    text.split(',')
        .map(str::trim)
        .try_fold(Targets::new(), |targets, directive| {
            let refused = || LogError::Level {
                directive: directive.to_owned(),
            };
            let (target, level) = match directive.split_once('=') {
                Some((target, level)) if !target.is_empty() => (Some(target), level),
                Some(_) => return Err(refused()),
                None => (None, directive),
            };
            // The parser also takes numbers, and nothing at all, which nobody means.
            if !level.bytes().all(|byte| byte.is_ascii_alphabetic()) || level.is_empty() {
                return Err(refused());
            }
            let level: LevelFilter = level.parse().map_err(|_| refused())?;
            Ok(match target {
                Some(target) => targets.with_target(target, level),
                None => targets.with_default(level),
            })
        })
}

/// Whether a line may be written at all: our own of any level, those of others from `info` up.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    is_ours(metadata) || *metadata.level() <= tracing::Level::INFO
}

/// Whether it is this crate's own.
pub(super) fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

fn layer<S, W>(
    format: LogFormat,
    targets: Targets,
    colour: bool,
    clock: Clock,
    writer: W,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = targets.and(filter_fn(may_be_logged));
    // An error while logging would be printed to stderr, and panic where stderr is closed.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .log_internal_errors(false);
    match format {
        LogFormat::Json => lines
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines { clock })
            .with_filter(filter)
            .boxed(),
        LogFormat::Pretty => lines
            .compact()
            .with_timer(Timer(clock))
            .with_ansi(colour)
            .with_filter(filter)
            .boxed(),
    }
}

fn timestamp(clock: &Clock) -> String {
    clock.now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

struct Timer(Clock);

impl FormatTime for Timer {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&timestamp(&self.0))
    }
}

/// One flat object a line: `timestamp`, `level`, `target`, `message`, then run, account and rule of the spans, then
/// the event's own fields.
struct JsonLines {
    clock: Clock,
}

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(formatted) = span.extensions().get::<FormattedFields<JsonFields>>() {
                // What does not parse here is a span without fields: an empty text.
                let of_span: Map<String, Value> = serde_json::from_str(formatted).unwrap_or_default();
                fields.0.extend(
                    of_span
                        .into_iter()
                        .filter(|(name, _)| SPAN_FIELDS.contains(&name.as_str())),
                );
            }
        }
        event.record(&mut fields);
        let line = Line {
            timestamp: timestamp(&self.clock),
            metadata: event.metadata(),
            fields: fields.0,
        };
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

struct Line<'a> {
    timestamp: String,
    metadata: &'a Metadata<'a>,
    fields: Map<String, Value>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = ["message"].into_iter().chain(SPAN_FIELDS);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        map.serialize_entry("level", self.metadata.level().as_str())?;
        map.serialize_entry("target", self.metadata.target())?;
        for name in first.clone() {
            if let Some(value) = self.fields.get(name) {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.fields {
            match name.as_str() {
                "timestamp" | "level" | "target" => map.serialize_entry(&format!("field.{name}"), value)?,
                name if first.clone().any(|written| written == name) => {}
                name => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

/// An event's fields as JSON.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written to the log while `speak` runs.
    fn logged(format: LogFormat, level: &str, speak: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let (clock, _hand) = Clock::manual("2026-11-23T06:00:00.25Z".parse().unwrap());
        let writer = buffer.clone();
        let layer = layer(format, parse_level(level).unwrap(), false, clock, move || {
            writer.clone()
        });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), speak);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn speak_within_a_run() {
        let run = tracing::info_span!("run", run = tracing::field::Empty, other = "not shown").entered();
        run.record("run", "01J");
        let _account =
            tracing::info_span!("account", account = "123456789012", rule = "password_policy").entered();
        tracing::info!(actions = 3, due = true, level = "x", error = %"a \"quote\"\nand a line", "applied");
        tracing::info!(rule = "of the event", "its own field wins");
    }

    #[test]
    fn json_lines_are_flat_and_carry_run_account_and_rule() {
        insta::assert_snapshot!(logged(LogFormat::Json, DEFAULT_LEVEL, speak_within_a_run), @r#"
        {"timestamp":"2026-11-23T06:00:00.250Z","level":"INFO","target":"iamwarden::telemetry::logs::tests","message":"applied","run":"01J","account":"123456789012","rule":"password_policy","actions":3,"due":true,"error":"a \"quote\"\nand a line","field.level":"x"}
        {"timestamp":"2026-11-23T06:00:00.250Z","level":"INFO","target":"iamwarden::telemetry::logs::tests","message":"its own field wins","run":"01J","account":"123456789012","rule":"of the event"}
        "#);
    }

    #[test]
    fn lines_for_people() {
        insta::assert_snapshot!(logged(LogFormat::Pretty, DEFAULT_LEVEL, speak_within_a_run), @r#"
        2026-11-23T06:00:00.250Z  INFO run:account: iamwarden::telemetry::logs::tests: applied actions=3 due=true level="x" error=a "quote"
        and a line other="not shown" run="01J" account="123456789012" rule="password_policy"
        2026-11-23T06:00:00.250Z  INFO run:account: iamwarden::telemetry::logs::tests: its own field wins rule="of the event" other="not shown" run="01J" account="123456789012" rule="password_policy"
        "#);
    }

    #[test]
    fn foreign_crates_never_log_below_info() {
        const CANARY: &str = "AWS4-HMAC-SHA256 Credential=canary";
        macro_rules! speak {
            ($($target:literal),*) => {$(
                let _span = tracing::debug_span!(target: $target, "request", account = CANARY).entered();
                tracing::trace!(target: $target, "{CANARY}");
                tracing::debug!(target: $target, "{CANARY}");
                tracing::info!(target: $target, "information of {}", $target);
                tracing::warn!(target: $target, "warning of {}", $target);
            )*};
        }
        let speak = || {
            speak!(
                "aws_smithy_runtime::client",
                "aws_sdk_iam",
                "aws_sdk_sts",
                "aws_config::profile",
                "hyper::proto",
                "hyper_util",
                "reqwest::connect",
                "rustls::client",
                "h2",
                "sqlx::query",
                "iamwarden_not",
                "some_crate_of_tomorrow"
            );
            tracing::trace!("our own trace");
        };
        for format in [LogFormat::Json, LogFormat::Pretty] {
            let directives = [
                "trace",
                "debug",
                "trace,aws_smithy_runtime=trace,hyper=debug",
                "off,aws_sdk_sts=trace",
            ];
            for level in directives {
                let text = logged(format, level, speak);
                assert!(!text.contains("canary"), "{level}: {text}");
                assert!(text.contains("warning of aws_sdk_sts"), "{level}: {text}");
            }
            assert!(logged(format, "trace", speak).contains("our own trace"));
            assert!(!logged(format, "debug", speak).contains("our own trace"));
            let by_default = logged(format, DEFAULT_LEVEL, speak);
            assert!(!by_default.contains("information of aws"), "{by_default}");
            assert!(!by_default.contains("information of hyper"), "{by_default}");
            assert!(
                !by_default.contains("information of some_crate_of_tomorrow"),
                "{by_default}"
            );
            assert!(by_default.contains("warning of hyper_util"), "{by_default}");
        }
    }

    #[test]
    fn levels_are_read_strictly() {
        for good in [
            "info",
            "OFF",
            "warn,iamwarden::execute=debug",
            " info , iamwarden=trace",
        ] {
            assert!(parse_level(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "inof",
            "iamwarden",
            "iamwarden=",
            "=info",
            "info,",
            "iamwarden=loud",
            "3",
            "[x]=info=",
        ] {
            assert!(matches!(parse_level(bad), Err(LogError::Level { .. })), "{bad}");
        }
        insta::assert_snapshot!(parse_level("info,inof").unwrap_err(), @r#"`inof` is not a log level: use trace, debug, info, warn, error or off, alone or as iamwarden::MODULE=LEVEL, joined by commas (such as "info,iamwarden::execute=debug")"#);
    }

    #[test]
    fn panics_are_logged_without_what_was_formatted_into_them() {
        let text = logged(LogFormat::Json, DEFAULT_LEVEL, || {
            let before = std::panic::take_hook();
            report_panics();
            let secret = "canary";
            let formatted = std::panic::catch_unwind(|| panic!("cannot send to {secret}"));
            let literal = std::panic::catch_unwind(|| panic!("a literal text"));
            std::panic::set_hook(before);
            assert!(formatted.is_err() && literal.is_err());
        });
        assert!(!text.contains("canary"), "{text}");
        assert!(
            text.contains("panicked: (payload withheld); this is a defect"),
            "{text}"
        );
        assert!(
            text.contains("panicked: a literal text; this is a defect"),
            "{text}"
        );
        assert!(text.contains("src/telemetry/logs.rs"), "{text}");
    }
}
