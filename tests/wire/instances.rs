//! Instances and their profiles over EC2's wire protocol, and what becomes of what cannot be read.

use aws_simulator::{Fault, FaultKind};
use iamwarden::aws::{AwsError, ErrorKind};
use iamwarden::inventory::{
    GapCause, Instance, Needs, Reading, RegionalInventory, RegionalNeeds, Snapshot, collect,
};
use iamwarden::model::{Arn, Region};

use crate::world::{ACCOUNT, World, arn};

const HOME: &str = "eu-central-1";
const OTHER: &str = "us-east-1";

const INSTANCES: &str = r#"
[[accounts.roles]]
name = "web"
path = "/ec2/"
assumed_by = ["ec2.amazonaws.com"]
instance_profiles = ["web"]
[[accounts.instance_profiles]]
name = "empty"
path = "/old/"
[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000001"
profile = "web"
tags = { Name = "one", owner = "ann@example.com" }
[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000002"
http_tokens = "optional"
[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000003"
profile = "web"
profile_state = "associating"
[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000004"
profile = "web"
profile_state = "disassociating"
http_endpoint = "disabled"
http_tokens = "optional"
managed_by = "eks.amazonaws.com"
[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000005"
state = "stopped"
[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000006"
state = "terminated"
[[accounts.regions.us-east-1.instances]]
id = "i-00000000000000007"
profile = "web"
"#;

fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

fn instance_arn(region: &str, n: u32) -> Arn {
    Arn::parse(&format!("arn:aws:ec2:{region}:{ACCOUNT}:instance/i-{n:017}")).unwrap()
}

async fn collected(world: &World) -> Snapshot {
    let regional = RegionalNeeds {
        regions: vec![region(HOME), region(OTHER)],
        instances: true,
        ..RegionalNeeds::default()
    };
    let needs = Needs {
        regional: Some(&regional),
        ..Needs::default()
    };
    let session = world.session().await;
    collect(session.reader(), &needs, "prod", world.now()).await
}

fn of_region<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Reading<Vec<Instance>> {
    let inventory: &RegionalInventory = &snapshot.regions.by_name[&region(name)];
    inventory.instances.as_ref().unwrap()
}

/// The name of the profile that an instance has, is getting or losing.
fn profile(instance: &Instance) -> Option<&str> {
    let profile = instance.profile.known().unwrap().as_ref()?;
    Some(profile.arn.name())
}

#[tokio::test]
async fn running_instances_are_read_with_what_they_have_and_are_getting() {
    let world = World::plant(INSTANCES);
    let snapshot = collected(&world).await;
    assert_eq!(snapshot.gaps, []);
    let here = of_region(&snapshot, HOME).known().unwrap();
    let arns: Vec<_> = here.iter().map(|instance| instance.arn.clone()).collect();
    let expected: Vec<_> = (1..=4).map(|n| instance_arn(HOME, n)).collect();
    assert_eq!(arns, expected, "stopped and terminated ones do not count");
    let profiles: Vec<_> = here.iter().map(profile).collect();
    assert_eq!(profiles, [Some("web"), None, Some("web"), Some("web")]);
    let imds_v1: Vec<_> = here.iter().map(|instance| instance.imds_v1).collect();
    assert_eq!(imds_v1, [Some(false), Some(true), Some(false), Some(false)]);
    assert_eq!(here[0].tags["owner"], "ann@example.com");
    assert_eq!(here[3].operator.as_deref(), Some("eks.amazonaws.com"));
    assert_eq!((world.now() - here[0].launched_at).num_days(), 30);
    let known = snapshot
        .regions
        .instance_profiles
        .as_ref()
        .unwrap()
        .known()
        .unwrap();
    let roles: Vec<_> = known
        .iter()
        .map(|profile| (profile.arn.clone(), profile.role.clone()))
        .collect();
    assert_eq!(
        roles,
        [
            (arn("instance-profile/old/empty"), None),
            (arn("instance-profile/web"), Some(arn("role/ec2/web"))),
        ]
    );
    let of_first = here[0].profile.known().unwrap().as_ref().unwrap();
    assert_eq!(
        of_first.id.as_ref(),
        Some(&known[1].id),
        "the same profile by its unique id"
    );
    assert_eq!(world.calls_of("DescribeInstances"), 2);
    assert_eq!(
        world.calls_of("DescribeIamInstanceProfileAssociations"),
        1,
        "only where an instance shows no profile"
    );
    assert_eq!(snapshot.api_calls["ec2:DescribeInstances"], 2);
}

#[tokio::test]
async fn all_pages_are_read() {
    let world = World::of(
        &aws_simulator::Seed::parse(&format!(
            "paging = {{ size = 5, empty_pages = true }}\n[[accounts]]\nid = \"{ACCOUNT}\"\n\
             [[accounts.regions.eu-central-1.instances]]\nrepeat = 23\nprofile = \"x\"\nprofile_state = \"associating\"\n\
             {}",
            (0..12).map(|n| format!("[[accounts.instance_profiles]]\nname = \"p{n}\"\n")).collect::<String>()
        ))
        .unwrap(),
    );
    let snapshot = collected(&world).await;
    assert_eq!(snapshot.gaps, []);
    let here = of_region(&snapshot, HOME).known().unwrap();
    assert_eq!(here.len(), 23);
    assert!(here.iter().all(|instance| profile(instance) == Some("x")));
    let profiles = snapshot.regions.instance_profiles.as_ref().unwrap();
    assert_eq!(profiles.known().unwrap().len(), 12);
    assert!(world.calls_of("DescribeInstances") > 5);
    assert!(world.calls_of("DescribeIamInstanceProfileAssociations") >= 5);
}

#[tokio::test]
async fn a_region_that_fails_is_a_gap_of_its_own() {
    for (kind, cause) in [
        (FaultKind::error("UnauthorizedOperation"), GapCause::Denied),
        (FaultKind::error("RequestLimitExceeded"), GapCause::Throttled),
        (FaultKind::error("InternalError"), GapCause::Failed),
        (FaultKind::Reset, GapCause::Failed),
        (FaultKind::Hang, GapCause::Failed),
        (FaultKind::MalformedBody, GapCause::Unusable),
        (FaultKind::EmptyBody, GapCause::Unusable),
    ] {
        let world = World::plant(INSTANCES);
        let fault = Fault::new(kind.clone()).on("DescribeInstances").in_region(OTHER);
        world.simulator.faults().add(fault);
        let snapshot = collected(&world).await;
        let gap = of_region(&snapshot, OTHER).gap().unwrap();
        assert_eq!(gap.operation, "ec2:DescribeInstances");
        assert!(gap.detail.starts_with("in us-east-1: "), "{}", gap.detail);
        assert_eq!(gap.cause, cause, "{kind:?}: {gap:?}");
        assert_eq!(snapshot.gaps, std::slice::from_ref(gap));
        assert_eq!(of_region(&snapshot, HOME).known().unwrap().len(), 4, "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_not_known_of_associations_is_not_known_of_those_alone_who_show_no_profile() {
    let world = World::plant(INSTANCES);
    world.break_down(
        FaultKind::error("UnauthorizedOperation"),
        "DescribeIamInstanceProfileAssociations",
    );
    let snapshot = collected(&world).await;
    let here = of_region(&snapshot, HOME).known().unwrap();
    assert_eq!(profile(&here[0]), Some("web"));
    let gap = here[1].profile.gap().unwrap();
    assert_eq!(
        (gap.operation.as_str(), gap.cause),
        ("ec2:DescribeIamInstanceProfileAssociations", GapCause::Denied)
    );
    assert_eq!(snapshot.gaps, std::slice::from_ref(gap), "said once");
}

#[tokio::test]
async fn an_instance_is_read_as_it_is_right_now() {
    let world = World::plant(INSTANCES);
    let session = world.session().await;
    let live = async |n: u32| session.reader().instance(&instance_arn(HOME, n)).await;
    let seen = live(1).await.unwrap();
    assert_eq!(seen.state, "running");
    assert_eq!(seen.profile.unwrap().arn, arn("instance-profile/web"));
    assert_eq!(live(2).await.unwrap().profile, None);
    for n in [3, 4] {
        let seen = live(n).await.unwrap();
        assert_eq!(
            seen.profile.unwrap().arn,
            arn("instance-profile/web"),
            "it is on its way"
        );
    }
    assert_eq!(live(5).await.unwrap().state, "stopped");
    let kind = |answer: Result<_, AwsError>| answer.unwrap_err().kind;
    assert_eq!(kind(live(6).await), ErrorKind::Gone, "terminated");
    assert_eq!(kind(live(99).await), ErrorKind::Gone, "never there");
    let elsewhere = session.reader().instance(&instance_arn(OTHER, 1)).await;
    assert_eq!(kind(elsewhere), ErrorKind::Gone);

    let empty = session
        .reader()
        .instance_profile(&arn("instance-profile/old/empty"))
        .await;
    assert_eq!(empty.unwrap().role, None);
    let gone = session
        .reader()
        .instance_profile(&arn("instance-profile/gone"))
        .await;
    assert_eq!(gone.unwrap_err().kind, ErrorKind::Gone);
}
