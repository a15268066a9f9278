//! The command line as clap sees it. Its doc comments are the help texts.

use std::path::PathBuf;
use std::sync::LazyLock;

use crate::telemetry::LogFormat;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// The version, and the commit where the build was told of it (`deploy/image` tells it).
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let version = env!("CARGO_PKG_VERSION");
        option_env!("IAMWARDEN_COMMIT").map_or_else(
            || version.to_owned(),
            |commit| format!("{version} (commit {commit})"),
        )
    });
    VERSION.as_str()
}

/// Keeps AWS IAM as tidy as the declared policy says.
#[derive(Debug, Parser)]
#[command(name = "iamwarden", version = version(), propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    /// The configuration [default: config/iamwarden.toml].
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// How log lines look [default: pretty on a terminal, else json].
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug or trace, or directives per module [default: info].
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read AWS and show what is found and would be done; changes nothing.
    Plan(PlanArguments),
    /// Plan afresh and apply what is due.
    Apply(ApplyArguments),
    /// The daemon: scheduler, notifications, health and metrics.
    Run(RunArguments),
    /// Approve a saved plan, or some of its actions.
    Approve(DecideArguments),
    /// Reject a saved plan, or some of its actions.
    Reject(DecideArguments),
    /// Undo what was applied.
    Rollback(RollbackArguments),
    /// Stop all changes.
    Freeze {
        /// Why.
        #[arg(long)]
        reason: String,
        /// Who [default: the caller's name on this machine].
        #[arg(long)]
        by: Option<String>,
    },
    /// Release changes again.
    Unfreeze {
        /// Who [default: the caller's name on this machine].
        #[arg(long)]
        by: Option<String>,
    },
    /// Runs, actions and decisions, newest first.
    History {
        /// How it is printed.
        #[arg(long, default_value = "text")]
        format: HistoryFormat,
        /// Check the audit chain instead.
        #[arg(long)]
        verify: bool,
        /// With --verify: a head published earlier, as SEQ:HASH, which must still be part of the chain.
        #[arg(long, value_name = "SEQ:HASH", requires = "verify")]
        head: Option<String>,
        /// How many runs and decisions at most [default: 50 as text, all as JSON].
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// All that is known of one principal, and why each rule says what it says.
    Explain {
        /// An ARN, a name, or user/NAME, group/NAME, role/NAME.
        principal: String,
        /// Only in this account.
        #[arg(long)]
        account: Option<String>,
    },
    /// Write the inventory to a file, for planning elsewhere.
    Snapshot {
        /// Where to.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// Which account, where several are configured.
        #[arg(long)]
        account: Option<String>,
    },
    /// Record that somebody looked at a principal's permissions.
    Review {
        /// What to record.
        #[command(subcommand)]
        command: ReviewCommand,
    },
    /// Exemptions: those of the configuration, and those that owners asked for.
    Exemptions {
        /// Without: the list.
        #[command(subcommand)]
        command: Option<ExemptionsCommand>,
        /// How the list is printed.
        #[arg(long, default_value = "text")]
        format: HistoryFormat,
    },
    /// How it stands with all findings, and how it stood the last time.
    Report {
        /// How it is printed.
        #[arg(long, default_value = "text")]
        format: HistoryFormat,
        /// Send it to owners and to the channels of `[reports]`, and remember it for the next one.
        #[arg(long)]
        send: bool,
    },
    /// List the rules: what each finds, its mode, what it changes, and what it answers.
    Rules {
        /// Without: the list.
        #[command(subcommand)]
        command: Option<RulesCommand>,
    },
    /// What iamwarden remembers, and where.
    State {
        /// What to do with it.
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Check the configuration, offline.
    Validate,
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print the least IAM policy that the enabled rules and modes need.
    Permissions {
        /// For the role in member accounts.
        #[arg(long, conflicts_with = "rollback")]
        member: bool,
        /// For the role that only `rollback` assumes.
        #[arg(long)]
        rollback: bool,
    },
    /// Check credentials, permissions, state and channels, and say what to mend.
    Doctor {
        /// Send a test message to every channel.
        #[arg(long)]
        send: bool,
    },
    /// Ask the running daemon whether it is healthy; silent.
    Health,
    /// The main job on an embedded simulated account.
    #[cfg(feature = "demo")]
    Demo {
        /// Where the report, the plan and the metrics are left [default: a new temporary folder].
        #[arg(long, value_name = "FOLDER")]
        output: Option<PathBuf>,
    },
}

impl Command {
    /// Whether it is the daemon, also where that ends by itself.
    pub fn is_daemon(&self) -> bool {
        matches!(self, Self::Run(_))
    }
}

/// What is done with the state as a whole.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Move it into an empty database of PostgreSQL. The old one is frozen, and nothing of it is deleted.
    Migrate {
        /// Where to: postgres://USER@HOST/DATABASE, or a secret that holds such an address, as env:NAME, file:PATH or
        /// secretsmanager:NAME.
        #[arg(long, value_name = "URL")]
        to: String,
        /// Who [default: the caller's name on this machine].
        #[arg(long)]
        by: Option<String>,
    },
}

/// What is recorded of a review.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// The permissions are right as they are.
    Confirm {
        /// An ARN, a name, or user/NAME, group/NAME, role/NAME.
        principal: String,
        /// Who says so [default: the caller's name on this machine].
        #[arg(long)]
        by: Option<String>,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
        /// Only in this account.
        #[arg(long)]
        account: Option<String>,
    },
}

/// What is done about exemptions.
#[derive(Debug, Subcommand)]
pub enum ExemptionsCommand {
    /// Ask for one; an approver grants or refuses it.
    Request {
        /// An ARN, a name, or user/NAME, group/NAME, role/NAME.
        principal: String,
        /// Which rule is to leave it alone (repeatable).
        #[arg(long = "rule", value_name = "NAME", required = true)]
        rules: Vec<String>,
        /// The last day, as 2027-01-31.
        #[arg(long, value_name = "DATE")]
        until: chrono::NaiveDate,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Only in this account.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// Who asks [default: the caller's name on this machine].
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// Grant one that was asked for.
    Grant(ExemptionDecision),
    /// Refuse one that was asked for.
    Refuse(ExemptionDecision),
    /// Take a granted one back.
    Revoke(ExemptionDecision),
    /// Print those that were granted and hold as configuration.
    Export,
}

/// Which exemption, and who says so.
#[derive(Debug, Args)]
pub struct ExemptionDecision {
    /// Its id, as listed.
    pub id: String,
    /// Who decides [default: the caller's name on this machine].
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// More of the rules.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Print the documentation of one rule.
    Explain {
        /// Its name.
        name: String,
    },
}

/// Which part of the world a plan is about.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// Only this rule (repeatable).
    #[arg(long = "rule", value_name = "NAME")]
    pub rules: Vec<String>,
    /// Only this account (repeatable).
    #[arg(long = "account", value_name = "ID")]
    pub accounts: Vec<String>,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// How it is printed [default: text on a terminal, else json].
    #[arg(long)]
    pub format: Option<PlanFormat>,
    /// Write it there instead of to standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What to look at.
    #[command(flatten)]
    pub selection: Selection,
    /// Keep it in the state, for approval.
    #[arg(long)]
    pub save: bool,
    /// Show the actions that rules in `report` would have.
    #[arg(long, value_name = "MODE", conflicts_with = "save")]
    pub as_if: Option<AsIf>,
    /// Plan from a file instead of from AWS.
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
}

/// As if rules were in this mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AsIf {
    /// Rules in `report` as if in `enforce`.
    Enforce,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For a terminal.
    Text,
    /// For programs, and for `apply --plan`.
    Json,
    /// For a pull request.
    Markdown,
    /// A page that opens from disk.
    Html,
}

/// How history is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
}

/// `apply`
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// Only the actions of this plan file, as far as the fresh plan still holds them.
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// What to look at.
    #[command(flatten)]
    pub selection: Selection,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Run every enabled rule once, send what is due, and exit.
    #[arg(long)]
    pub once: bool,
    /// No mutation, and no message to owners.
    #[arg(long)]
    pub dry_run: bool,
}

/// `approve` and `reject`
#[derive(Debug, Args)]
pub struct DecideArguments {
    /// The plan's id, the beginning of it, or `latest`.
    pub plan: String,
    /// Only this action (repeatable).
    #[arg(long = "action", value_name = "ID")]
    pub actions: Vec<String>,
    /// Who decides [default: the caller's name on this machine].
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `rollback`
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// Undo this action (repeatable).
    #[arg(long = "action", value_name = "ID", required_unless_present = "run")]
    pub actions: Vec<String>,
    /// Undo everything that this run applied.
    #[arg(long, value_name = "ID", conflicts_with = "actions")]
    pub run: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}
