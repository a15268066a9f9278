//! What every rule has to hold in, by a table: in order, offending, exempt, not readable, mended, silent afterwards, undone.
//! A rule adds a row; what is its own is told in a story of its own.

use aws_simulator::{AccountSeed, Edit, Fault, FaultKind, KeySeed, PasswordSeed, RoleSeed, UserSeed, When};
use iamwarden::daemon::Done;
use iamwarden::execute::ActionResult;
use iamwarden::model::{FindingStatus, Severity, Verdict, WithheldReason};

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, only_action};

/// How long every story is watched: longer than any notice, confirmation and reminder.
const LONG: i64 = 40;

/// A rule, and an account in which one principal is as it must not be.
struct Row {
    rule: &'static str,
    /// Lines of its table in the configuration.
    settings: &'static str,
    /// The account.
    offending: fn() -> AccountSeed,
    /// Who offends, by user or role.
    who: &'static str,
    /// What somebody does who puts it right by hand.
    mend: fn() -> Edit,
    /// Readings without which nothing may be concluded.
    needed: &'static [&'static str],
    answer: Answer,
}

/// What iamwarden does about it.
enum Answer {
    /// It reminds the owner so often, in days, by this event.
    Reminds(&'static str, i64),
    /// It only reports.
    Reports,
    /// It changes something.
    Changes(Changing),
}

struct Changing {
    /// The event by which the owner is told first, and at least how many days before.
    warning: (&'static str, i64),
    /// The event by which the owner hears of it.
    told: &'static str,
    operation: &'static str,
    /// The operation that undoes it; `None`: nothing does, and a person has to approve it.
    undone_by: Option<&'static str>,
}

const ROWS: [Row; 6] = [
    Row {
        rule: "unused_passwords",
        settings: "",
        offending: || with_user(forgotten()),
        who: "user/alice",
        mend: || Edit {
            last_used: Some(When::Ago(days(0))),
            ..Edit::of_user(ACCOUNT, "alice")
        },
        needed: &["GetAccountAuthorizationDetails", "GetLoginProfile"],
        answer: Answer::Changes(Changing {
            warning: ("password.unused", 7),
            told: "password.deleted",
            operation: "DeleteLoginProfile",
            undone_by: None,
        }),
    },
    Row {
        rule: "unused_roles",
        settings: "",
        offending: || with_role(resting("app")),
        who: "role/app",
        mend: || Edit {
            role: Some("app".to_owned()),
            last_used: Some(When::Ago(days(0))),
            ..Edit::of(ACCOUNT)
        },
        needed: &["GetAccountAuthorizationDetails"],
        answer: Answer::Changes(Changing {
            warning: ("role.unused", 14),
            told: "role.quarantined",
            operation: "PutRolePolicy",
            undone_by: Some("DeleteRolePolicy"),
        }),
    },
    Row {
        rule: "unused_users",
        settings: "",
        offending: || with_user(idle()),
        who: "user/alice",
        mend: || Edit {
            keys: vec![KeySeed::aged(When::days(0))],
            ..Edit::of_user(ACCOUNT, "alice")
        },
        needed: &[
            "GetAccountAuthorizationDetails",
            "ListSSHPublicKeys",
            "ListSigningCertificates",
            "ListServiceSpecificCredentials",
        ],
        answer: Answer::Reminds("user.unused", 7),
    },
    Row {
        rule: "access_review",
        settings: "",
        offending: || {
            let mut account = with_user(idle());
            account.users[0].attached.push("ReadOnlyAccess".to_owned());
            account
        },
        who: "user/alice",
        mend: || Edit {
            detach: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()],
            ..Edit::of_user(ACCOUNT, "alice")
        },
        needed: &["GetAccountAuthorizationDetails"],
        answer: Answer::Reminds("review.overdue", 7),
    },
    Row {
        rule: "role_trust",
        settings: "",
        offending: || {
            let mut role = resting("app");
            role.assumed_by = vec!["210987654321".to_owned()];
            with_role(role)
        },
        who: "role/app",
        mend: || Edit {
            role: Some("app".to_owned()),
            delete: true,
            ..Edit::of(ACCOUNT)
        },
        needed: &["GetAccountAuthorizationDetails"],
        answer: Answer::Reports,
    },
    Row {
        rule: "broad_policies",
        settings: "",
        offending: || {
            let mut role = resting("app");
            let everything =
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
            role.inline.insert("own".to_owned(), everything.into());
            with_role(role)
        },
        who: "role/app",
        mend: || {
            let mut edit = Edit {
                role: Some("app".to_owned()),
                ..Edit::of(ACCOUNT)
            };
            edit.inline.insert("own".to_owned(), None);
            edit
        },
        needed: &["GetAccountAuthorizationDetails"],
        answer: Answer::Reports,
    },
];

fn with_user(user: UserSeed) -> AccountSeed {
    let mut account = account();
    account.users.push(user);
    account
}

fn with_role(role: RoleSeed) -> AccountSeed {
    let mut account = account();
    account.roles.push(role);
    account
}

/// A user of long ago without anything.
fn idle() -> UserSeed {
    let mut user = UserSeed::new("alice");
    user.age = When::At(at(BEGIN) - days(400));
    user.tags
        .insert("owner".to_owned(), "alice@example.com".to_owned());
    user
}

/// A user with a password that nobody has used for a year.
fn forgotten() -> UserSeed {
    UserSeed {
        password: Some(PasswordSeed {
            last_changed: When::At(at(BEGIN) - days(390)),
            last_used: When::At(at(BEGIN) - days(365)),
            ..PasswordSeed::default()
        }),
        ..idle()
    }
}

/// A role that nobody has assumed for a year and a half.
fn resting(name: &str) -> RoleSeed {
    let mut role = RoleSeed::new(name);
    role.age = When::At(at(BEGIN) - days(600));
    role.last_used = When::At(at(BEGIN) - days(500));
    role.assumed_by = vec!["ec2.amazonaws.com".to_owned()];
    role.tags
        .insert("owner".to_owned(), "alice@example.com".to_owned());
    role
}

impl Row {
    fn rules(&self, more: &str) -> String {
        format!(
            "rules.access_key_rotation.mode = \"off\"\nrules.unused_access_keys.mode = \"off\"\n\
             rules.password_policy.mode = \"off\"\nrules.unused_permissions.mode = \"off\"\n{more}\n\
             [guardrails]\nmax_changes_percent = 100\n[rules.{}]\nmode = \"enforce\"\n{}\n",
            self.rule, self.settings
        )
    }

    async fn begin(&self) -> Installation {
        Installation::begin((self.offending)(), &self.rules("")).await
    }

    /// Of what the rule says of who offends.
    fn statuses(&self, done: &Done) -> Vec<FindingStatus> {
        let findings = done.planned.plan.findings.iter();
        findings
            .filter(|finding| finding.resource.resource() == self.who)
            .map(|finding| finding.status)
            .collect()
    }

    /// A day at a time, with a person's approval of what waits for one, until something changes.
    async fn run_until_it_changes(&self, town: &Installation) -> Done {
        for _ in 0..LONG {
            let done = town.run_at(town.now() + days(1)).await;
            if !town.changes().is_empty() {
                return done;
            }
            if let [action] = done.planned.plan.actions.as_slice()
                && action.withheld_reason == Some(WithheldReason::Approval)
            {
                let action = action.clone();
                town.decide(&done, &action, Verdict::Approved).await;
            }
        }
        panic!("{}: nothing was changed", self.rule);
    }
}

#[tokio::test]
async fn who_offends_is_found_and_who_was_put_right_is_not() {
    for row in &ROWS {
        let town = row.begin().await;
        let done = town.run().await;
        assert_eq!(row.statuses(&done), [FindingStatus::Violation], "{}", row.rule);
        town.edit(&(row.mend)());
        // Past the credential report that is still that of before.
        town.go_to(town.now() + days(1));
        let done = town.run().await;
        assert_eq!(row.statuses(&done), [], "{}", row.rule);
        let told = town.desk.diary().len();
        town.run_daily_until(town.now() + days(LONG)).await;
        assert_eq!(town.changes(), [], "{}", row.rule);
        assert_eq!(
            town.desk.diary().len(),
            told,
            "{}: {:?}",
            row.rule,
            town.desk.diary()
        );
    }
}

#[tokio::test]
async fn the_exempt_are_left_alone_until_their_last_day() {
    for row in &ROWS {
        let exempt = format!(
            "exemptions = [{{ principals = [\"{}\"], rules = [\"{}\"], until = \"2026-03-20\", reason = \"a test\" }}]",
            row.who, row.rule
        );
        let town = Installation::begin((row.offending)(), &row.rules(&exempt)).await;
        let mut done = town.run().await;
        while town.now() < at("2026-03-20T00:00:00Z") {
            assert_eq!(row.statuses(&done), [FindingStatus::Exempt], "{}", row.rule);
            done = town.run_at(town.now() + days(1)).await;
        }
        assert_eq!(town.changes(), [], "{}", row.rule);
        let heard = town.desk.diary().into_iter();
        let heard: Vec<_> = heard.filter(|(_, event)| event != "exemption.expiring").collect();
        assert_eq!(heard, [], "{}", row.rule);
        let done = town.run_at(at("2026-03-21T06:00:00Z")).await;
        assert_eq!(row.statuses(&done), [FindingStatus::Violation], "{}", row.rule);
        assert_eq!(town.changes(), [], "{}: the owner has the whole notice", row.rule);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_nothing_comes_of_it() {
    for row in &ROWS {
        for operation in row.needed {
            // Throttled is denied for all that comes of it; it takes its time in being tried again.
            let codes: &[_] = match Some(operation) == row.needed.last() {
                true => &["AccessDenied", "Throttling"],
                false => &["AccessDenied"],
            };
            for code in codes {
                let town = row.begin().await;
                town.simulator
                    .faults()
                    .add(Fault::new(FaultKind::error(*code)).on(*operation));
                let done = town.run().await;
                let findings = &done.planned.plan.findings;
                assert!(
                    !findings.is_empty()
                        && findings
                            .iter()
                            .all(|finding| finding.status == FindingStatus::Unknown),
                    "{} without {operation} ({code}): {findings:#?}",
                    row.rule
                );
                assert_eq!(done.planned.plan.actions, [], "{}", row.rule);
                assert_eq!(town.changes(), [], "{}", row.rule);
                town.simulator.faults().clear();
                let done = town.run_at(town.now() + days(1)).await;
                assert_eq!(row.statuses(&done), [FindingStatus::Violation], "{}", row.rule);
                town.check_books().await;
            }
        }
    }
}

#[tokio::test]
async fn who_only_reports_changes_nothing_and_reminds_as_declared() {
    for row in &ROWS {
        let (event, every, owner) = match row.answer {
            Answer::Reminds(event, every) => (event, every, Some("alice@example.com")),
            // What people decide stands in the digest of the default channel.
            Answer::Reports => ("report.digest", 7, None),
            Answer::Changes(_) => continue,
        };
        let town = row.begin().await;
        let before = town.account();
        town.run().await;
        town.run_daily_until(at(BEGIN) + days(LONG)).await;
        assert_eq!(town.changes(), [], "{}", row.rule);
        assert_eq!(town.account()["users"], before["users"], "{}", row.rule);
        let told = town.desk.told(event);
        let dates: Vec<_> = told.iter().map(|post| (post.at - at(BEGIN)).num_days()).collect();
        let pauses: Vec<_> = dates.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // At once, and from then on once in each of the calendar's periods of that length.
        assert!(
            dates[0] == 0 && pauses[0] <= every && pauses[1..].iter().all(|pause| *pause == every),
            "{}: {:?}",
            row.rule,
            town.desk.diary()
        );
        assert!(dates.len() >= 5, "{}: {dates:?}", row.rule);
        assert!(told.iter().all(|post| post.owner() == owner), "{}", row.rule);
        town.check_books().await;
    }
}

#[tokio::test]
async fn it_is_mended_once_after_the_notice_and_then_all_is_quiet() {
    for row in &ROWS {
        let Answer::Changes(changing) = &row.answer else {
            continue;
        };
        let town = row.begin().await;
        town.run().await;
        let done = row.run_until_it_changes(&town).await;
        let changed_at = town.now();
        assert_eq!(done.reports.len(), 1, "{}", row.rule);
        assert_eq!(done.reports[0].result, ActionResult::Applied, "{}", row.rule);
        let (warning, notice) = changing.warning;
        let warnings = town.desk.told(warning);
        assert_eq!(warnings[0].owner(), Some("alice@example.com"), "{}", row.rule);
        assert!(
            changed_at - warnings[0].at >= days(notice),
            "{}: {:?}",
            row.rule,
            town.desk.diary()
        );
        assert_eq!(town.desk.told(changing.told).len(), 1, "{}", row.rule);
        let quiet = town.desk.posts().len();
        let again = town.run().await;
        assert_eq!(again.planned.plan.actions, [], "{}", row.rule);
        assert!(
            again
                .planned
                .plan
                .findings
                .iter()
                .all(|finding| finding.severity == Severity::Low && finding.status == FindingStatus::Warning),
            "{}: {:?}",
            row.rule,
            again.planned.plan.findings
        );
        town.run_daily_until(changed_at + days(LONG)).await;
        assert_eq!(
            town.changes(),
            [(changing.operation.to_owned(), changed_at)],
            "{}",
            row.rule
        );
        assert_eq!(
            town.desk.posts().len(),
            quiet,
            "{}: {:?}",
            row.rule,
            town.desk.diary()
        );
        town.check_books().await;
    }
}

#[tokio::test]
async fn what_can_be_undone_is_undone_exactly_and_stays_so() {
    for row in &ROWS {
        let Answer::Changes(changing) = &row.answer else {
            continue;
        };
        let town = row.begin().await;
        let before = town.account();
        town.run().await;
        let done = row.run_until_it_changes(&town).await;
        let action = only_action(&done).clone();
        assert_eq!(action.reversible, changing.undone_by.is_some(), "{}", row.rule);
        let reports = town.roll_back(&action).await;
        let Some(operation) = changing.undone_by else {
            assert!(
                reports
                    .iter()
                    .all(|report| report.result != ActionResult::Applied),
                "{}: {reports:?}",
                row.rule
            );
            assert_eq!(town.changes().len(), 1, "{}", row.rule);
            continue;
        };
        assert_eq!(reports[0].result, ActionResult::Applied, "{}", row.rule);
        assert_eq!(town.changes()[1].0, operation, "{}", row.rule);
        let after = town.account();
        assert_eq!(
            (&after["users"], &after["roles"]),
            (&before["users"], &before["roles"]),
            "{}",
            row.rule
        );
        assert_eq!(
            town.roll_back(&action).await,
            [],
            "{}: nothing is left to undo",
            row.rule
        );
        town.run_daily_until(town.now() + days(LONG)).await;
        let held = town.run().await;
        assert_eq!(
            only_action(&held).withheld_reason,
            Some(WithheldReason::RolledBack),
            "{}",
            row.rule
        );
        assert_eq!(town.changes().len(), 2, "{}", row.rule);
        town.check_books().await;
    }
}

#[tokio::test]
async fn without_approval_no_password_goes_and_with_consent_to_the_irreversible_it_does() {
    let row = &ROWS[0];
    let town = row.begin().await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(LONG)).await;
    assert_eq!(town.changes(), []);
    let waiting = town.run().await;
    assert_eq!(
        only_action(&waiting).withheld_reason,
        Some(WithheldReason::Approval)
    );
    let mut town = row.begin().await;
    town.configure(|config| config.rules.unused_passwords.allow_irreversible = true);
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(6)).await;
    assert_eq!(town.changes(), [], "the owner has a week");
    town.run_at(at(BEGIN) + days(7)).await;
    assert_eq!(
        town.changes(),
        [("DeleteLoginProfile".to_owned(), at(BEGIN) + days(7))]
    );
}

#[tokio::test]
async fn a_sign_in_after_the_word_saves_the_password() {
    let row = &ROWS[0];
    let mut town = row.begin().await;
    town.configure(|config| config.rules.unused_passwords.allow_irreversible = true);
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(6)).await;
    // An hour before the date, long after the report that the run will find.
    town.go_to(at(BEGIN) + days(7) - chrono::TimeDelta::hours(1));
    town.edit(&(row.mend)());
    town.run_at(at(BEGIN) + days(7)).await;
    town.run_daily_until(at(BEGIN) + days(20)).await;
    assert_eq!(town.changes(), []);
    town.check_books().await;
}

#[tokio::test]
async fn a_role_assumed_after_the_word_is_not_quarantined_and_starts_anew() {
    let row = &ROWS[1];
    let town = row.begin().await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(13)).await;
    town.edit(&(row.mend)());
    let used = town.now();
    town.run_daily_until(used + days(90)).await;
    assert_eq!(town.changes(), []);
    let told = town.desk.told("role.unused").len();
    let done = row.run_until_it_changes(&town).await;
    assert_eq!(done.reports[0].result, ActionResult::Applied);
    let words = town.desk.told("role.unused");
    assert!(words.len() > told, "a new word");
    assert!(town.now() - words[told].at >= days(14), "and a whole notice");
    town.check_books().await;
}

#[tokio::test]
async fn a_quarantine_that_somebody_changed_is_neither_undone_nor_put_right() {
    let row = &ROWS[1];
    let town = row.begin().await;
    town.run().await;
    let done = row.run_until_it_changes(&town).await;
    let mut edit = Edit {
        role: Some("app".to_owned()),
        ..Edit::of(ACCOUNT)
    };
    let softer = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
    edit.inline
        .insert("iamwarden-quarantine".to_owned(), Some(softer.to_owned()));
    town.edit(&edit);
    let reports = town.roll_back(only_action(&done)).await;
    assert!(matches!(reports[0].result, ActionResult::Stale(_)), "{reports:?}");
    let listed = town.run_at(town.now() + days(1)).await;
    assert_eq!(row.statuses(&listed), [FindingStatus::Warning]);
    assert_eq!(
        town.account()["roles"]["app"]["inline"]["iamwarden-quarantine"],
        softer
    );
    town.check_books().await;
}
