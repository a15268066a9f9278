//! What is written, once, and what is known about it afterwards.

use std::collections::BTreeMap;

use aws_simulator::{Fault, FaultKind};
use iamwarden::aws::{ErrorKind, RequestError, WriteError};
use iamwarden::config::Config;
use iamwarden::model::{
    AccessKeyId, AccountId, Action, ActionId, ActionMode, ActionState, Arn, Change, FindingId, History,
    InlinePolicyText, Inverse, KeyStatus, OwnPolicy, PasswordPolicy, Precondition, RegionalChange,
    RegionalInverse, RuleName,
};
use iamwarden::plan::{AppliedChange, Approved, confirm};
use iamwarden::state::{Lease, State};

use crate::world::{World, arn, id};

const ALICE: &str = r#"
[[accounts.users]]
name = "alice"
path = "/people/"
attached = ["ReadOnlyAccess"]
keys = [{ id = "AKIAALICE00000000001", age = "120d" }]
[[accounts.groups]]
name = "ops"
attached = ["ReadOnlyAccess"]
[[accounts.roles]]
name = "app"
attached = ["ReadOnlyAccess"]
"#;

fn key() -> AccessKeyId {
    AccessKeyId::parse("AKIAALICE00000000001").unwrap()
}

fn read_only() -> Arn {
    Arn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap()
}

fn policy(length: u32) -> PasswordPolicy {
    PasswordPolicy {
        minimum_length: length,
        max_age_days: Some(90),
        ..PasswordPolicy::aws_default()
    }
}

fn precondition() -> Precondition {
    Precondition::PasswordPolicy {
        password_policy: None,
    }
}

/// Consent as `enforce` gives it.
pub(crate) fn consent(resource: &Arn, change: Change) -> Approved {
    let account = id();
    let rule = RuleName::new("access_key_rotation");
    let action = Action {
        id: ActionId::of(&account, resource, &change),
        finding: FindingId::of(&rule, &account, resource, &change.subject()),
        also: Vec::new(),
        change,
        account,
        resource: resource.clone(),
        mode: ActionMode::Enforce,
        reversible: true,
        inverse: None,
        precondition: precondition(),
        state: ActionState::Proposed,
        withheld_reason: None,
        withheld_detail: None,
        not_before: None,
    };
    let now = "2026-11-23T06:00:00Z".parse().unwrap();
    confirm(
        &Config::built_in().unwrap(),
        &action,
        &BTreeMap::new(),
        &History::default(),
        now,
        now,
    )
    .unwrap()
    .0
}

/// Consent as asking for a rollback gives it.
pub(crate) fn rollback(resource: &Arn, inverse: Inverse) -> Approved {
    let applied = AppliedChange {
        action: ActionId("act_0".to_owned()),
        account: id(),
        resource: resource.clone(),
        inverse: Some(inverse),
        precondition: precondition(),
    };
    Approved::to_rollback(&Config::built_in().unwrap(), &applied).unwrap()
}

pub(crate) async fn lease_of(account: &AccountId) -> Lease {
    let opened = State::open("sqlite::memory:").await.unwrap();
    opened
        .state
        .acquire_lease(account, "test")
        .await
        .unwrap()
        .unwrap()
}

fn disable() -> Approved {
    let change = Change::DisableAccessKey { access_key_id: key() };
    consent(&arn("user/people/alice"), change)
}

#[tokio::test]
async fn a_key_is_disabled_enabled_and_deleted() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    let alice = arn("user/people/alice");
    let status = async || {
        let keys = session.reader().access_keys(&alice).await.unwrap();
        keys.first().map(|key| key.status.clone())
    };
    let enable = Inverse::EnableAccessKey { access_key_id: key() };
    let delete = Change::DeleteAccessKey { access_key_id: key() };
    for (approved, after) in [
        (disable(), Some(KeyStatus::Inactive)),
        (rollback(&alice, enable), Some(KeyStatus::Active)),
        (consent(&alice, delete), None),
    ] {
        session
            .writer()
            .perform(&approved, &lease, session.writer().turn().await)
            .await
            .unwrap();
        assert_eq!(status().await, after);
    }
    let writes = world.simulator.calls().into_iter().filter(|call| call.mutates);
    for call in writes {
        assert_eq!(
            call.parameters.get("UserName").map(String::as_str),
            Some("alice"),
            "{call:?}"
        );
    }
}

#[tokio::test]
async fn a_password_policy_is_written_whole_restored_and_deleted() {
    let world = World::plant("");
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    let root = arn("root");
    for (approved, after) in [
        (
            consent(&root, Change::UpdatePasswordPolicy(policy(14))),
            Some(policy(14)),
        ),
        (
            rollback(&root, Inverse::RestorePasswordPolicy(policy(8))),
            Some(policy(8)),
        ),
        (rollback(&root, Inverse::DeletePasswordPolicy), None),
    ] {
        session
            .writer()
            .perform(&approved, &lease, session.writer().turn().await)
            .await
            .unwrap();
        assert_eq!(session.reader().password_policy().await.unwrap(), after);
    }
    let calls = world.simulator.calls();
    let write = calls
        .iter()
        .find(|c| c.operation == "UpdateAccountPasswordPolicy")
        .unwrap();
    assert_eq!(
        write.parameters.get("PasswordReusePrevention"),
        None,
        "0 is left out"
    );
}

#[tokio::test]
async fn a_policy_is_detached_and_attached_again() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    for resource in ["user/people/alice", "group/ops", "role/app"] {
        let resource = arn(resource);
        let detach = Change::DetachPolicy {
            policy_arn: read_only(),
        };
        let attach = Inverse::AttachPolicy {
            policy_arn: read_only(),
        };
        session
            .writer()
            .perform(&consent(&resource, detach), &lease, session.writer().turn().await)
            .await
            .unwrap();
        assert!(
            session
                .reader()
                .attached_policies(&resource)
                .await
                .unwrap()
                .is_empty()
        );
        session
            .writer()
            .perform(
                &rollback(&resource, attach),
                &lease,
                session.writer().turn().await,
            )
            .await
            .unwrap();
        assert_eq!(
            session.reader().attached_policies(&resource).await.unwrap().len(),
            1
        );
    }
}

#[tokio::test]
async fn a_write_is_sent_once_and_its_fate_is_told() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    let fault = |kind: FaultKind| Fault::new(kind).on("UpdateAccessKey");
    for (fault, kind, unknown) in [
        (fault(FaultKind::error("Throttling")), ErrorKind::Throttled, false),
        (fault(FaultKind::error("AccessDenied")), ErrorKind::Denied, false),
        (fault(FaultKind::error("NoSuchEntity")), ErrorKind::Gone, false),
        (
            fault(FaultKind::error("EntityTemporarilyUnmodifiable")),
            ErrorKind::Unmodifiable,
            false,
        ),
        (
            fault(FaultKind::error("ServiceFailure")),
            ErrorKind::Service,
            true,
        ),
        (
            fault(FaultKind::error("ServiceFailure")).after_effect(),
            ErrorKind::Service,
            true,
        ),
        (fault(FaultKind::Reset), ErrorKind::Network, true),
        (fault(FaultKind::Reset).after_effect(), ErrorKind::Network, true),
        (fault(FaultKind::Hang), ErrorKind::Timeout, true),
    ] {
        world.simulator.faults().clear();
        world.simulator.clear_calls();
        let described = format!("{fault:?}");
        world.simulator.faults().add(fault);
        let error = session
            .writer()
            .perform(&disable(), &lease, session.writer().turn().await)
            .await
            .unwrap_err();
        assert_eq!(error.may_have_had_effect(), unknown, "{described}: {error}");
        assert_eq!(error.aws().unwrap().kind, kind, "{described}");
        assert_eq!(world.calls_of("UpdateAccessKey"), 1, "{described}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_it_unknown() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    for kind in [FaultKind::MalformedBody, FaultKind::EmptyBody] {
        world.simulator.faults().clear();
        world.break_down(kind, "UpdateAccessKey");
        let error = session
            .writer()
            .perform(&disable(), &lease, session.writer().turn().await)
            .await
            .unwrap_err();
        assert!(error.may_have_had_effect(), "{error}");
        assert_eq!(error.aws().unwrap().kind, ErrorKind::Unusable);
    }
    let keys = session
        .reader()
        .access_keys(&arn("user/people/alice"))
        .await
        .unwrap();
    assert_eq!(
        keys.first().unwrap().status,
        KeyStatus::Inactive,
        "it did take effect"
    );
}

#[tokio::test]
async fn what_never_reached_aws_had_no_effect() {
    let mut world = World::plant(ALICE);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    world.server.take().unwrap().shutdown();
    let mut error = session
        .writer()
        .perform(&disable(), &lease, session.writer().turn().await)
        .await
        .unwrap_err();
    if error.may_have_had_effect() {
        // The first call may have found the old connection, just closed: that could have been too late as well.
        error = session
            .writer()
            .perform(&disable(), &lease, session.writer().turn().await)
            .await
            .unwrap_err();
    }
    assert!(matches!(error, WriteError::NotSent(_)), "{error:?}");
}

#[tokio::test]
async fn consent_and_lease_must_be_of_the_sessions_account() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let other = lease_of(&AccountId::parse("210987654321").unwrap()).await;
    let error = session
        .writer()
        .perform(&disable(), &other, session.writer().turn().await)
        .await
        .unwrap_err();
    let WriteError::Invalid(RequestError::WrongAccount { what, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*what, "lease");
    assert_eq!(world.calls_of("UpdateAccessKey"), 0);
    insta::assert_snapshot!(error, @"nothing was sent: the lease is of account 210987654321, but this session is in 123456789012; plan again");
}

const REQUIRE: OwnPolicy = OwnPolicy::RequireMfa;

#[tokio::test]
async fn mfa_is_required_lifted_and_both_are_undone() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    let alice = arn("user/people/alice");
    let text = REQUIRE.text();
    let lift = Change::LiftMfaRequirement {
        policy_name: REQUIRE.name().to_owned(),
    };
    let take_off = Inverse::DeleteInlinePolicy {
        policy_name: REQUIRE.name().to_owned(),
    };
    for (approved, after) in [
        (consent(&alice, Change::RequireMfa(text.clone())), true),
        (rollback(&alice, take_off), false),
        // Put a second time it is the same policy still.
        (consent(&alice, Change::RequireMfa(text.clone())), true),
        (consent(&alice, Change::RequireMfa(text.clone())), true),
        (consent(&alice, lift), false),
        (rollback(&alice, Inverse::PutInlinePolicy(text)), true),
    ] {
        session
            .writer()
            .perform(&approved, &lease, session.writer().turn().await)
            .await
            .unwrap();
        let found = session
            .reader()
            .inline_policy(&alice, REQUIRE.name())
            .await
            .unwrap();
        assert_eq!(found.is_some(), after, "{approved:?}");
        assert!(found.is_none_or(|document| REQUIRE.is(REQUIRE.name(), &document)));
    }
    let calls = world.simulator.calls();
    let writes: Vec<_> = calls.iter().filter(|call| call.mutates).collect();
    assert_eq!(writes.len(), 6);
    for call in writes {
        let of = |name: &str| call.parameters.get(name).map(String::as_str);
        assert_eq!(
            (of("UserName"), of("PolicyName")),
            (Some("alice"), Some("iamwarden-require-mfa")),
            "{call:?}"
        );
    }
}

#[tokio::test]
async fn a_policy_that_would_allow_something_is_never_sent() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    let alice = arn("user/people/alice");
    let widening = InlinePolicyText {
        policy_name: REQUIRE.name().to_owned(),
        document: REQUIRE.document().replace("Deny\"", "Allow\""),
    };
    for approved in [
        consent(&alice, Change::RequireMfa(widening.clone())),
        rollback(&alice, Inverse::PutInlinePolicy(widening)),
    ] {
        let error = session
            .writer()
            .perform(&approved, &lease, session.writer().turn().await)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, WriteError::Invalid(RequestError::Widening { .. })),
            "{error:?}"
        );
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"nothing was sent: the inline policy iamwarden-require-mfa would allow something; plan again");
        }
    }
    assert_eq!(world.calls_of("PutUserPolicy"), 0);
}

#[tokio::test]
async fn what_is_refused_for_want_of_room_had_no_effect() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    world.break_down(FaultKind::error("LimitExceeded"), "PutUserPolicy");
    let require = consent(&arn("user/people/alice"), Change::RequireMfa(REQUIRE.text()));
    let error = session
        .writer()
        .perform(&require, &lease, session.writer().turn().await)
        .await
        .unwrap_err();
    assert!(!error.may_have_had_effect(), "{error}");
    assert_eq!(error.aws().unwrap().kind, ErrorKind::LimitExceeded);
    assert_eq!(world.calls_of("PutUserPolicy"), 1, "it is not tried again");
}

#[tokio::test]
async fn a_role_is_quarantined_and_released() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    let app = arn("role/app");
    let quarantine = OwnPolicy::Quarantine;
    let release = Inverse::DeleteInlinePolicy {
        policy_name: quarantine.name().to_owned(),
    };
    for (approved, after) in [
        (consent(&app, Change::QuarantineRole(quarantine.text())), true),
        (rollback(&app, release), false),
    ] {
        session
            .writer()
            .perform(&approved, &lease, session.writer().turn().await)
            .await
            .unwrap();
        let reader = session.reader();
        let found = reader.inline_policy(&app, quarantine.name()).await.unwrap();
        assert_eq!(found.is_some(), after, "{approved:?}");
        assert!(found.is_none_or(|document| quarantine.is(quarantine.name(), &document)));
    }
    let calls = world.simulator.calls().into_iter().filter(|call| call.mutates);
    let names: Vec<_> = calls.map(|call| call.operation).collect();
    assert_eq!(names, ["PutRolePolicy", "DeleteRolePolicy"]);
    let softer = InlinePolicyText {
        document: quarantine.document().replace("Deny\"", "Allow\""),
        ..quarantine.text()
    };
    let widening = consent(&app, Change::QuarantineRole(softer));
    let error = session
        .writer()
        .perform(&widening, &lease, session.writer().turn().await)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, WriteError::Invalid(RequestError::Widening { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_console_password_is_deleted_of_the_user_that_is_named() {
    let world = World::plant(&ALICE.replace("keys =", "password = {}\nkeys ="));
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    let alice = arn("user/people/alice");
    let delete = consent(&alice, Change::DeleteLoginProfile {});
    session
        .writer()
        .perform(&delete, &lease, session.writer().turn().await)
        .await
        .unwrap();
    assert_eq!(session.reader().login_profile(&alice).await.unwrap(), None);
    let error = session
        .writer()
        .perform(&delete, &lease, session.writer().turn().await)
        .await
        .unwrap_err();
    assert_eq!(
        error.aws().unwrap().kind,
        ErrorKind::Gone,
        "there is none any more"
    );
    let calls = world.simulator.calls();
    for call in calls.iter().filter(|call| call.mutates) {
        assert_eq!(call.operation, "DeleteLoginProfile");
        assert_eq!(call.parameters.get("UserName").map(String::as_str), Some("alice"));
    }
}

const INSTANCES: &str = r#"
[[accounts.roles]]
name = "web"
assumed_by = ["ec2.amazonaws.com"]
instance_profiles = ["web", "other"]
[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000001"
[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000002"
profile = "other"
"#;

fn instance(n: u32) -> Arn {
    Arn::parse(&format!(
        "arn:aws:ec2:eu-central-1:123456789012:instance/i-{n:017}"
    ))
    .unwrap()
}

fn associate(n: u32) -> Approved {
    let change = RegionalChange::AssociateInstanceProfile {
        profile_arn: arn("instance-profile/web"),
    };
    consent(&instance(n), Change::Regional(change))
}

fn disassociate(n: u32) -> Approved {
    let inverse = RegionalInverse::DisassociateInstanceProfile {
        profile_arn: arn("instance-profile/web"),
    };
    rollback(&instance(n), Inverse::Regional(inverse))
}

#[tokio::test]
async fn an_instance_profile_is_given_once_and_taken_again() {
    let world = World::plant(INSTANCES);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    let profile = async |n: u32| {
        let instance = session.reader().instance(&instance(n)).await.unwrap();
        instance.profile.map(|profile| profile.arn.name().to_owned())
    };
    session
        .writer()
        .perform(&associate(1), &lease, session.writer().turn().await)
        .await
        .unwrap();
    assert_eq!(profile(1).await.as_deref(), Some("web"));
    let again = session
        .writer()
        .perform(&associate(1), &lease, session.writer().turn().await)
        .await
        .unwrap_err();
    assert!(
        matches!(&again, WriteError::Refused(error) if error.kind == ErrorKind::Conflict),
        "{again:?}"
    );
    session
        .writer()
        .perform(&disassociate(1), &lease, session.writer().turn().await)
        .await
        .unwrap();
    assert_eq!(profile(1).await, None);

    let writes = world.simulator.counts().mutations;
    for n in [1, 2] {
        let none = session
            .writer()
            .perform(&disassociate(n), &lease, session.writer().turn().await)
            .await
            .unwrap_err();
        assert!(matches!(&none, WriteError::NotSent(_)), "{none:?}");
    }
    assert_eq!(
        profile(2).await.as_deref(),
        Some("other"),
        "another profile is somebody else's"
    );
    assert_eq!(world.simulator.counts().mutations, writes, "nothing was sent");
}

#[tokio::test]
async fn what_became_of_an_association_is_known_or_said_not_to_be() {
    for (fault, effect) in [
        (Fault::new(FaultKind::error("UnauthorizedOperation")), false),
        (Fault::new(FaultKind::error("InternalError")), true),
        (Fault::new(FaultKind::Reset).after_effect(), true),
        (Fault::new(FaultKind::MalformedBody), true),
    ] {
        let world = World::plant(INSTANCES);
        let session = world.session().await;
        let lease = lease_of(&id()).await;
        world
            .simulator
            .faults()
            .add(fault.clone().on("AssociateIamInstanceProfile"));
        let error = session
            .writer()
            .perform(&associate(1), &lease, session.writer().turn().await)
            .await
            .unwrap_err();
        assert_eq!(error.may_have_had_effect(), effect, "{fault:?}: {error:?}");
        assert_eq!(
            world.calls_of("AssociateIamInstanceProfile"),
            1,
            "it is sent once"
        );
    }
    // What is asked before a disassociation fails: nothing was sent.
    let world = World::plant(INSTANCES);
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    world.break_down(FaultKind::Reset, "DescribeIamInstanceProfileAssociations");
    let error = session
        .writer()
        .perform(&disassociate(2), &lease, session.writer().turn().await)
        .await
        .unwrap_err();
    assert!(matches!(error, WriteError::NotSent(_)), "{error:?}");
    assert_eq!(world.calls_of("DisassociateIamInstanceProfile"), 0);
}
