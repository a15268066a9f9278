"""The scripts: what is asked of both servers, step by step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

from .targets import ACCOUNT, Recorder


@dataclass(frozen=True)
class Script:
    """What is asked, and what has to be there before: a seed for the simulator, moto's own operations for moto."""

    run: Callable[[Recorder], None]
    seed: str
    prepare: Callable[[Callable[[str], Any]], None]
    # The protocol that the simulator is asked in, if not the one that botocore would choose.
    protocol: str | None = None


SCRIPTS: dict[str, Script] = {}
# Scripts that need the policies of AWS.
WITH_AWS_POLICIES = {"policies_of_aws"}

ALLOW_S3 = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)
ALLOW_SQS = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sqs:*"], "Resource": ["*"]}]}
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
SQS_FULL = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


def own(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


def nothing(_: Callable[[str], Any]) -> None:
    """Where an empty account will do."""


def script(run: Callable[[Recorder], None]) -> Callable[[Recorder], None]:
    return seeded("", nothing)(run)


def seeded(seed: str, prepare: Callable[[Callable[[str], Any]], None]) -> Callable:
    def keep(run: Callable[[Recorder], None]) -> Callable[[Recorder], None]:
        SCRIPTS[run.__name__] = Script(run, seed, prepare)
        return run

    return keep


@script
def users(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada", Path="/people/", Tags=[{"Key": "owner", "Value": "ada"}])
    r.call("iam.create_user", UserName="bob")
    r.call("iam.create_user", UserName="bob")
    r.call("iam.get_user", UserName="ada")
    r.call("iam.get_user", UserName="nobody")
    r.call("iam.list_users")
    r.call("iam.list_users", PathPrefix="/people/")
    r.call("iam.tag_user", UserName="ada", Tags=[{"Key": "team", "Value": "a & b"}, {"Key": "owner", "Value": "x"}])
    r.call("iam.list_user_tags", UserName="ada")
    r.call("iam.untag_user", UserName="ada", TagKeys=["team", "absent"])
    r.call("iam.list_user_tags", UserName="ada")
    r.call("iam.tag_user", UserName="nobody", Tags=[{"Key": "a", "Value": "b"}])
    r.call("iam.untag_user", UserName="nobody", TagKeys=["a"])
    r.call("iam.list_user_tags", UserName="nobody")
    r.call("iam.tag_user", UserName="ada", Tags=[{"Key": "k" * 129, "Value": ""}])
    r.call("iam.tag_user", UserName="ada", Tags=[{"Key": "twice", "Value": "1"}, {"Key": "Twice", "Value": "2"}])
    r.call("iam.delete_user", UserName="bob")
    r.call("iam.delete_user", UserName="bob")
    r.call("iam.list_users")
    r.call("iam.create_user", UserName="eve", Path="no-slashes")


@script
def obstacles_to_deleting_a_user(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada")
    r.call("iam.put_user_policy", UserName="ada", PolicyName="own", PolicyDocument=ALLOW_S3)
    r.call("iam.delete_user", UserName="ada")
    r.call("iam.delete_user_policy", UserName="ada", PolicyName="own")
    r.call("iam.create_policy", PolicyName="app", PolicyDocument=ALLOW_S3)
    r.call("iam.attach_user_policy", UserName="ada", PolicyArn=own("app"))
    r.call("iam.delete_user", UserName="ada")
    r.call("iam.detach_user_policy", UserName="ada", PolicyArn=own("app"))
    r.call("iam.create_access_key", UserName="ada")
    r.call("iam.delete_user", UserName="ada")


@script
def access_keys(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada")
    r.call("iam.list_access_keys", UserName="ada")
    first = r.call("iam.create_access_key", UserName="ada")["AccessKey"]["AccessKeyId"]
    second = r.call("iam.create_access_key", UserName="ada")["AccessKey"]["AccessKeyId"]
    r.call("iam.create_access_key", UserName="ada")
    r.call("iam.create_access_key", UserName="nobody")
    r.call("iam.list_access_keys", UserName="ada")
    r.call("iam.list_access_keys", UserName="nobody")
    r.call("iam.update_access_key", UserName="ada", AccessKeyId=first, Status="Inactive")
    r.call("iam.list_access_keys", UserName="ada")
    r.call("iam.update_access_key", UserName="ada", AccessKeyId=first, Status="Inactive")
    r.call("iam.update_access_key", UserName="ada", AccessKeyId=first, Status="Active")
    r.call("iam.update_access_key", UserName="ada", AccessKeyId="AKIANOTTHERE00000000", Status="Active")
    r.call("iam.update_access_key", UserName="nobody", AccessKeyId=first, Status="Active")
    r.call("iam.update_access_key", UserName="ada", AccessKeyId=first, Status="Off")
    r.call("iam.get_access_key_last_used", AccessKeyId=first)
    r.call("iam.get_access_key_last_used", AccessKeyId="AKIANOTTHERE00000000")
    r.call("iam.delete_access_key", UserName="nobody", AccessKeyId=first)
    r.call("iam.delete_access_key", UserName="ada", AccessKeyId=first)
    r.call("iam.delete_access_key", UserName="ada", AccessKeyId=first)
    r.call("iam.list_access_keys", key=second)
    r.call("iam.get_user", key=second)
    r.call("iam.update_access_key", key=second, AccessKeyId=second, Status="Active")
    r.call("iam.create_access_key", key=second)
    r.call("iam.delete_access_key", key=second, AccessKeyId=second)
    r.call("iam.list_access_keys", UserName="ada")


@script
def password_policy(r: Recorder) -> None:
    r.call("iam.get_account_password_policy")
    r.call("iam.delete_account_password_policy")
    r.call(
        "iam.update_account_password_policy",
        MinimumPasswordLength=14,
        RequireSymbols=True,
        RequireNumbers=True,
        RequireUppercaseCharacters=True,
        RequireLowercaseCharacters=True,
        AllowUsersToChangePassword=True,
        MaxPasswordAge=90,
        PasswordReusePrevention=24,
        HardExpiry=True,
    )
    r.call("iam.get_account_password_policy")
    r.call("iam.update_account_password_policy", RequireNumbers=True)
    r.call("iam.get_account_password_policy")
    r.call("iam.update_account_password_policy", MaxPasswordAge=90)
    r.call("iam.get_account_password_policy")
    r.call("iam.update_account_password_policy")
    r.call("iam.get_account_password_policy")
    for name, value in [
        ("MinimumPasswordLength", 5),
        ("MinimumPasswordLength", 129),
        ("MaxPasswordAge", 0),
        ("MaxPasswordAge", 1096),
        ("PasswordReusePrevention", 0),
        ("PasswordReusePrevention", 25),
    ]:
        r.call("iam.update_account_password_policy", **{name: value})
    r.call("iam.delete_account_password_policy")
    r.call("iam.get_account_password_policy")


@script
def logins(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada")
    r.call("iam.get_login_profile", UserName="ada")
    r.call("iam.create_login_profile", UserName="ada", Password="correct horse", PasswordResetRequired=True)
    r.call("iam.create_login_profile", UserName="ada", Password="correct horse")
    r.call("iam.create_login_profile", UserName="nobody", Password="correct horse")
    r.call("iam.get_login_profile", UserName="ada")
    r.call("iam.get_login_profile", UserName="nobody")
    r.call("iam.update_login_profile", UserName="ada", Password="battery staple")
    r.call("iam.update_login_profile", UserName="nobody", Password="battery staple")
    r.call("iam.get_user", UserName="ada")
    r.call("iam.delete_login_profile", UserName="ada")
    r.call("iam.delete_login_profile", UserName="ada")
    r.call("iam.update_login_profile", UserName="ada", Password="battery staple")
    r.call("iam.list_mfa_devices", UserName="ada")
    r.call("iam.list_mfa_devices", UserName="nobody")


@script
def mfa_devices(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada")
    r.call("iam.create_user", UserName="bob")
    spare = r.call("iam.create_virtual_mfa_device", VirtualMFADeviceName="spare")["VirtualMFADevice"]["SerialNumber"]
    made = r.call("iam.create_virtual_mfa_device", VirtualMFADeviceName="ada", Path="/people/")
    serial = made["VirtualMFADevice"]["SerialNumber"]
    r.call("iam.create_virtual_mfa_device", VirtualMFADeviceName="spare")
    r.call("iam.create_virtual_mfa_device", VirtualMFADeviceName="eve", Path="no-slashes")
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}
    r.call("iam.enable_mfa_device", UserName="ada", SerialNumber=serial, **codes)
    r.call("iam.enable_mfa_device", UserName="ada", SerialNumber=serial, **codes)
    r.call("iam.enable_mfa_device", UserName="nobody", SerialNumber=spare, **codes)
    r.call("iam.enable_mfa_device", UserName="bob", SerialNumber="GAHT12345678", **codes)
    r.call("iam.list_mfa_devices", UserName="ada")
    r.call("iam.list_mfa_devices", UserName="bob")
    for status in ("Any", "Assigned", "Unassigned", "Nonsense"):
        r.call("iam.list_virtual_mfa_devices", AssignmentStatus=status)
    r.pages("iam.list_virtual_mfa_devices", 1)
    r.call("iam.get_account_summary")
    r.call("iam.deactivate_mfa_device", UserName="ada", SerialNumber=serial)
    r.call("iam.deactivate_mfa_device", UserName="ada", SerialNumber=serial)
    r.call("iam.deactivate_mfa_device", UserName="nobody", SerialNumber=serial)
    r.call("iam.deactivate_mfa_device", UserName="bob", SerialNumber="GAHT12345678")
    r.call("iam.list_mfa_devices", UserName="bob")
    r.call("iam.list_virtual_mfa_devices")
    r.call("iam.delete_virtual_mfa_device", SerialNumber=serial)
    r.call("iam.delete_virtual_mfa_device", SerialNumber=serial)
    r.call("iam.list_virtual_mfa_devices")
    r.call("iam.enable_mfa_device", UserName="ada", SerialNumber=spare, **codes)
    r.call("iam.delete_virtual_mfa_device", SerialNumber=spare)


CREDENTIALS = """
[[accounts.users]]
name = "ada"
ssh_keys = [{}]
signing_certificates = [{}]
[[accounts.users]]
name = "bob"
"""


def other_credentials_of_moto(service: Callable[[str], Any]) -> None:
    iam = service("iam")
    iam.create_user(UserName="ada")
    iam.create_user(UserName="bob")
    iam.upload_ssh_public_key(UserName="ada", SSHPublicKeyBody="ssh-rsa AAAA")
    iam.upload_signing_certificate(UserName="ada", CertificateBody=certificate())


def certificate() -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ada")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@seeded(CREDENTIALS, other_credentials_of_moto)
def other_credentials(r: Recorder) -> None:
    r.call("iam.list_ssh_public_keys", UserName="bob")
    r.call("iam.list_ssh_public_keys", UserName="nobody")
    key = r.call("iam.list_ssh_public_keys", UserName="ada")["SSHPublicKeys"][0]["SSHPublicKeyId"]
    r.call("iam.update_ssh_public_key", UserName="ada", SSHPublicKeyId=key, Status="Inactive")
    r.call("iam.update_ssh_public_key", UserName="bob", SSHPublicKeyId=key, Status="Inactive")
    r.call("iam.list_ssh_public_keys", UserName="ada")
    r.call("iam.list_signing_certificates", UserName="bob")
    r.call("iam.list_signing_certificates", UserName="nobody")
    made = r.call("iam.list_signing_certificates", UserName="ada")["Certificates"][0]["CertificateId"]
    r.call("iam.update_signing_certificate", UserName="ada", CertificateId=made, Status="Inactive")
    r.call("iam.update_signing_certificate", UserName="bob", CertificateId=made, Status="Inactive")
    r.call("iam.list_signing_certificates", UserName="ada")
    r.call("iam.generate_credential_report")
    r.call("iam.generate_credential_report")
    r.call("iam.get_credential_report")
    r.call("iam.delete_ssh_public_key", UserName="ada", SSHPublicKeyId=key)
    r.call("iam.delete_ssh_public_key", UserName="ada", SSHPublicKeyId=key)
    r.call("iam.delete_signing_certificate", UserName="ada", CertificateId=made)
    r.call("iam.delete_signing_certificate", UserName="ada", CertificateId=made)
    r.call("iam.list_ssh_public_keys", UserName="ada")
    r.call("iam.list_signing_certificates", UserName="ada")


@script
def groups(r: Recorder) -> None:
    r.call("iam.create_group", GroupName="staff", Path="/teams/")
    r.call("iam.create_group", GroupName="staff")
    r.call("iam.create_group", GroupName="empty")
    r.call("iam.create_user", UserName="ada")
    r.call("iam.create_user", UserName="bob")
    r.call("iam.add_user_to_group", GroupName="staff", UserName="ada")
    r.call("iam.add_user_to_group", GroupName="staff", UserName="ada")
    r.call("iam.add_user_to_group", GroupName="staff", UserName="bob")
    r.call("iam.add_user_to_group", GroupName="none", UserName="ada")
    r.call("iam.add_user_to_group", GroupName="staff", UserName="nobody")
    r.call("iam.list_groups")
    r.call("iam.get_group", GroupName="staff")
    r.call("iam.get_group", GroupName="empty")
    r.call("iam.get_group", GroupName="none")
    r.call("iam.list_groups_for_user", UserName="ada")
    r.call("iam.list_groups_for_user", UserName="nobody")
    r.call("iam.remove_user_from_group", GroupName="staff", UserName="bob")
    r.call("iam.remove_user_from_group", GroupName="staff", UserName="bob")
    r.call("iam.remove_user_from_group", GroupName="none", UserName="bob")
    r.call("iam.get_group", GroupName="staff")
    r.call("iam.delete_group", GroupName="empty")
    r.call("iam.delete_group", GroupName="empty")
    r.call("iam.list_groups")


@script
def roles(r: Recorder) -> None:
    r.call(
        "iam.create_role",
        RoleName="web",
        Path="/apps/",
        AssumeRolePolicyDocument=TRUST,
        Description="a role",
        MaxSessionDuration=7200,
        Tags=[{"Key": "owner", "Value": "ada"}],
    )
    r.call("iam.create_role", RoleName="web", AssumeRolePolicyDocument=TRUST)
    r.call("iam.create_role", RoleName="plain", AssumeRolePolicyDocument=TRUST)
    r.call("iam.get_role", RoleName="web")
    r.call("iam.get_role", RoleName="none")
    r.call("iam.list_roles")
    r.call("iam.list_roles", PathPrefix="/apps/")
    r.call("iam.list_role_tags", RoleName="web")
    r.call("iam.tag_role", RoleName="web", Tags=[{"Key": "team", "Value": "x"}])
    r.call("iam.list_role_tags", RoleName="web")
    r.call("iam.untag_role", RoleName="web", TagKeys=["owner"])
    r.call("iam.list_role_tags", RoleName="web")
    r.call("iam.tag_role", RoleName="none", Tags=[{"Key": "team", "Value": "x"}])
    r.call("iam.untag_role", RoleName="none", TagKeys=["team"])
    r.call("iam.list_role_tags", RoleName="none")
    r.call("iam.update_assume_role_policy", RoleName="plain", PolicyDocument=TRUST)
    r.call("iam.update_assume_role_policy", RoleName="plain", PolicyDocument="{")
    r.call("iam.update_assume_role_policy", RoleName="none", PolicyDocument=TRUST)
    r.call("iam.list_instance_profiles_for_role", RoleName="web")
    r.call("iam.put_role_policy", RoleName="plain", PolicyName="own", PolicyDocument=ALLOW_S3)
    r.call("iam.delete_role", RoleName="plain")
    r.call("iam.delete_role_policy", RoleName="plain", PolicyName="own")
    r.call("iam.delete_role", RoleName="plain")
    r.call("iam.delete_role", RoleName="plain")
    r.call("iam.create_role", RoleName="broken", AssumeRolePolicyDocument="{")
    r.call("iam.create_role", RoleName="long", AssumeRolePolicyDocument=TRUST, MaxSessionDuration=43201)


@script
def instance_profiles(r: Recorder) -> None:
    r.call("iam.create_role", RoleName="web", AssumeRolePolicyDocument=TRUST)
    r.call("iam.create_role", RoleName="other", AssumeRolePolicyDocument=TRUST)
    tags = [{"Key": "owner", "Value": "ada"}]
    r.call("iam.create_instance_profile", InstanceProfileName="web", Path="/apps/", Tags=tags)
    r.call("iam.create_instance_profile", InstanceProfileName="web")
    r.call("iam.create_instance_profile", InstanceProfileName="empty")
    r.call("iam.add_role_to_instance_profile", InstanceProfileName="web", RoleName="web")
    r.call("iam.add_role_to_instance_profile", InstanceProfileName="none", RoleName="web")
    r.call("iam.add_role_to_instance_profile", InstanceProfileName="empty", RoleName="none")
    r.call("iam.add_role_to_instance_profile", InstanceProfileName="web", RoleName="other")
    r.call("iam.get_instance_profile", InstanceProfileName="web")
    r.call("iam.get_instance_profile", InstanceProfileName="none")
    r.call("iam.list_instance_profiles")
    r.call("iam.list_instance_profiles", PathPrefix="/apps/")
    r.call("iam.list_instance_profiles_for_role", RoleName="web")
    r.call("iam.list_instance_profiles_for_role", RoleName="none")
    r.call("iam.get_account_authorization_details", Filter=["Role"])
    r.call("iam.get_account_summary")
    r.call("iam.delete_instance_profile", InstanceProfileName="web")
    r.call("iam.remove_role_from_instance_profile", InstanceProfileName="web", RoleName="web")
    r.call("iam.delete_instance_profile", InstanceProfileName="web")
    r.call("iam.delete_instance_profile", InstanceProfileName="web")
    r.call("iam.delete_role", RoleName="web")


IDENTITY_PROVIDERS = """
[[accounts]]
id = "123456789012"
identity_providers = ["oidc-provider/token.example", "saml-provider/okta"]
[[accounts.callers]]
access_key_id = "AKIA123456789012CALL"
acts_as = "user/operator"
"""


def identity_providers_of_moto(service: Callable[[str], Any]) -> None:
    iam = service("iam")
    iam.create_open_id_connect_provider(Url="https://token.example", ThumbprintList=["a" * 40])
    iam.create_saml_provider(Name="okta", SAMLMetadataDocument="x" * 1024)


@seeded(IDENTITY_PROVIDERS, identity_providers_of_moto)
def identity_providers(r: Recorder) -> None:
    r.call("iam.list_open_id_connect_providers")
    r.call("iam.list_saml_providers")


def document(**statement: Any) -> str:
    whole = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", **statement}
    return json.dumps({"Version": "2012-10-17", "Statement": [whole]})


@script
def malformed_documents(r: Recorder) -> None:
    r.call("iam.create_role", RoleName="web", AssumeRolePolicyDocument=TRUST)
    twice = {"Sid": "A", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    documents = [
        document(Sid="Sound1", Condition={"ForAnyValue:StringLikeIfExists": {"aws:PrincipalArn": ["arn:*"]}}),
        document(Effect="Deny", Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
        document(Action=[]),
        document(Action="s3:Get:Object"),
        document(Action="GetObject"),
        document(Resource="bucket"),
        document(Resource="arn:other:s3:::bucket"),
        document(Owner="ada"),
        document(Effect="Maybe"),
        document(Sid=1),
        document(Condition={"Boolean": {"aws:MultiFactorAuthPresent": "true"}}),
        document(Condition={"Bool": "true"}),
        document(Condition="true"),
        document(NotResource="*"),
        json.dumps({"Version": "2012-10-17", "Statement": [twice, twice]}),
        json.dumps({"Version": "2012-10-17", "Statement": []}),
        json.dumps({"Version": "2020-01-01", "Statement": [twice]}),
        json.dumps({"Version": "2012-10-17", "Statement": [twice], "Owner": "ada"}),
    ]
    for text in documents:
        r.call("iam.put_role_policy", RoleName="web", PolicyName="own", PolicyDocument=text)


@script
def managed_policies(r: Recorder) -> None:
    r.call("iam.create_policy", PolicyName="app", PolicyDocument=ALLOW_S3, Description="an app", Path="/")
    r.call("iam.create_policy", PolicyName="app", PolicyDocument=ALLOW_S3)
    r.call("iam.create_policy", PolicyName="broken", PolicyDocument="{")
    r.call(
        "iam.create_policy",
        PolicyName="wild",
        PolicyDocument=ALLOW_S3.replace("s3:GetObject", "s*:GetObject"),
    )
    r.call("iam.get_policy", PolicyArn=own("app"))
    r.call("iam.get_policy", PolicyArn=own("none"))
    r.call("iam.list_policies", Scope="Local")
    r.call("iam.list_policies", OnlyAttached=True)
    r.call("iam.get_policy_version", PolicyArn=own("app"), VersionId="v1")
    r.call("iam.get_policy_version", PolicyArn=own("app"), VersionId="v9")
    r.call("iam.get_policy_version", PolicyArn=own("none"), VersionId="v1")
    r.call("iam.create_policy_version", PolicyArn=own("app"), PolicyDocument=ALLOW_SQS, SetAsDefault=True)
    r.call("iam.create_policy_version", PolicyArn=own("app"), PolicyDocument=ALLOW_SQS)
    r.call("iam.create_policy_version", PolicyArn=own("none"), PolicyDocument=ALLOW_SQS)
    r.call("iam.create_policy_version", PolicyArn=own("app"), PolicyDocument="{")
    r.call("iam.list_policy_versions", PolicyArn=own("app"))
    r.call("iam.list_policy_versions", PolicyArn=own("none"))
    r.call("iam.set_default_policy_version", PolicyArn=own("app"), VersionId="v1")
    r.call("iam.set_default_policy_version", PolicyArn=own("app"), VersionId="v9")
    r.call("iam.set_default_policy_version", PolicyArn=own("none"), VersionId="v1")
    r.call("iam.get_policy", PolicyArn=own("app"))
    r.call("iam.delete_policy_version", PolicyArn=own("app"), VersionId="v1")
    r.call("iam.delete_policy_version", PolicyArn=own("app"), VersionId="v2")
    r.call("iam.delete_policy_version", PolicyArn=own("app"), VersionId="v2")
    r.call("iam.create_policy_version", PolicyArn=own("app"), PolicyDocument=ALLOW_SQS)
    r.call("iam.create_policy_version", PolicyArn=own("app"), PolicyDocument=ALLOW_SQS)
    r.call("iam.create_policy_version", PolicyArn=own("app"), PolicyDocument=ALLOW_SQS)
    r.call("iam.create_policy_version", PolicyArn=own("app"), PolicyDocument=ALLOW_SQS)
    r.call("iam.delete_policy", PolicyArn=own("app"))
    r.call("iam.create_policy", PolicyName="spare", PolicyDocument=ALLOW_S3)
    r.call("iam.delete_policy", PolicyArn=own("spare"))
    r.call("iam.delete_policy", PolicyArn=own("spare"))


@script
def attachments(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada")
    r.call("iam.create_group", GroupName="staff")
    r.call("iam.create_role", RoleName="web", AssumeRolePolicyDocument=TRUST)
    r.call("iam.create_policy", PolicyName="app", PolicyDocument=ALLOW_S3)
    r.call("iam.create_policy", PolicyName="other", PolicyDocument=ALLOW_SQS)
    for kind, name in [("user", "ada"), ("group", "staff"), ("role", "web")]:
        parameter = f"{kind.capitalize()}Name"
        lists = f"iam.list_attached_{kind}_policies"
        attach, detach = f"iam.attach_{kind}_policy", f"iam.detach_{kind}_policy"
        r.call(lists, **{parameter: name})
        r.call(attach, **{parameter: name}, PolicyArn=own("app"))
        r.call(attach, **{parameter: name}, PolicyArn=own("app"))
        r.call(attach, **{parameter: name}, PolicyArn=own("other"))
        r.call(attach, **{parameter: name}, PolicyArn=own("none"))
        r.call(attach, **{parameter: "nobody"}, PolicyArn=own("app"))
        r.call(lists, **{parameter: name})
        r.call(lists, **{parameter: "nobody"})
        r.call(detach, **{parameter: name}, PolicyArn=own("other"))
        r.call(detach, **{parameter: name}, PolicyArn=own("other"))
        r.call(detach, **{parameter: name}, PolicyArn=own("none"))
        r.call(detach, **{parameter: "nobody"}, PolicyArn=own("app"))
        r.call(lists, **{parameter: name})
    r.call("iam.get_policy", PolicyArn=own("app"))
    r.call("iam.list_entities_for_policy", PolicyArn=own("app"))
    r.call("iam.list_entities_for_policy", PolicyArn=own("app"), EntityFilter="Role")
    r.call("iam.list_entities_for_policy", PolicyArn=own("other"))
    r.call("iam.list_entities_for_policy", PolicyArn=own("none"))
    r.call("iam.list_policies", Scope="Local", OnlyAttached=True)
    r.call("iam.delete_policy", PolicyArn=own("app"))


@script
def inline_policies(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada")
    r.call("iam.create_group", GroupName="staff")
    r.call("iam.create_role", RoleName="web", AssumeRolePolicyDocument=TRUST)
    for kind, name in [("user", "ada"), ("group", "staff"), ("role", "web")]:
        of = {f"{kind.capitalize()}Name": name}
        of_none = {f"{kind.capitalize()}Name": "nobody"}
        put, get, delete = (f"iam.{verb}_{kind}_policy" for verb in ("put", "get", "delete"))
        lists = f"iam.list_{kind}_policies"
        r.call(lists, **of)
        r.call(put, **of, PolicyName="b", PolicyDocument=ALLOW_S3)
        r.call(put, **of, PolicyName="a", PolicyDocument=ALLOW_S3)
        r.call(put, **of, PolicyName="a", PolicyDocument=ALLOW_SQS)
        r.call(put, **of, PolicyName="broken", PolicyDocument="{")
        r.call(put, **of, PolicyName="wild", PolicyDocument=ALLOW_S3.replace("s3:GetObject", "s*:Get"))
        r.call(put, **of_none, PolicyName="a", PolicyDocument=ALLOW_S3)
        r.call(lists, **of)
        r.call(lists, **of_none)
        r.call(get, **of, PolicyName="a")
        r.call(get, **of, PolicyName="none")
        r.call(get, **of_none, PolicyName="a")
        r.call(delete, **of, PolicyName="a")
        r.call(delete, **of, PolicyName="a")
        r.call(delete, **of_none, PolicyName="b")
        r.call(lists, **of)


@script
def boundaries(r: Recorder) -> None:
    r.call("iam.create_policy", PolicyName="bound", PolicyDocument=ALLOW_S3)
    r.call("iam.create_user", UserName="ada", PermissionsBoundary=own("bound"))
    r.call("iam.get_user", UserName="ada")
    r.call("iam.create_role", RoleName="web", AssumeRolePolicyDocument=TRUST)
    r.call("iam.put_role_permissions_boundary", RoleName="web", PermissionsBoundary=own("bound"))
    r.call("iam.get_role", RoleName="web")
    r.call("iam.put_role_permissions_boundary", RoleName="none", PermissionsBoundary=own("bound"))
    r.call("iam.delete_role_permissions_boundary", RoleName="web")
    r.call("iam.get_role", RoleName="web")


@script
def account_details(r: Recorder) -> None:
    r.call("iam.create_policy", PolicyName="app", PolicyDocument=ALLOW_S3)
    r.call("iam.create_group", GroupName="staff")
    r.call("iam.put_group_policy", GroupName="staff", PolicyName="own", PolicyDocument=ALLOW_S3)
    r.call("iam.attach_group_policy", GroupName="staff", PolicyArn=own("app"))
    r.call("iam.create_user", UserName="ada", Tags=[{"Key": "owner", "Value": "ada"}])
    r.call("iam.add_user_to_group", GroupName="staff", UserName="ada")
    r.call("iam.put_user_policy", UserName="ada", PolicyName="own", PolicyDocument=ALLOW_S3)
    r.call("iam.attach_user_policy", UserName="ada", PolicyArn=own("app"))
    r.call("iam.create_role", RoleName="web", AssumeRolePolicyDocument=TRUST)
    r.call("iam.put_role_policy", RoleName="web", PolicyName="own", PolicyDocument=ALLOW_S3)
    r.call("iam.attach_role_policy", RoleName="web", PolicyArn=own("app"))
    for filters in (["User"], ["Group"], ["Role"], ["LocalManagedPolicy"], ["User", "Role"]):
        r.call("iam.get_account_authorization_details", Filter=filters)
    r.call("iam.get_account_authorization_details", Filter=["Nonsense"])
    r.call("iam.get_account_summary")


@script
def policies_of_aws(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada")
    r.call("iam.attach_user_policy", UserName="ada", PolicyArn=S3_READ)
    r.call("iam.attach_user_policy", UserName="ada", PolicyArn=SQS_FULL)
    r.call("iam.list_attached_user_policies", UserName="ada")
    r.call("iam.list_entities_for_policy", PolicyArn=S3_READ)
    r.call("iam.get_policy", PolicyArn=ADMIN)
    r.call("iam.get_policy", PolicyArn=S3_READ)
    r.call("iam.get_policy_version", PolicyArn=ADMIN, VersionId="v1")
    r.call("iam.get_policy_version", PolicyArn=SQS_FULL, VersionId="v1")
    r.call("iam.get_policy_version", PolicyArn=S3_READ, VersionId="v3")
    r.call("iam.list_policy_versions", PolicyArn=ADMIN)
    r.call("iam.list_policies", OnlyAttached=True)
    r.call("iam.detach_user_policy", UserName="ada", PolicyArn=S3_READ)
    r.call("iam.detach_user_policy", UserName="ada", PolicyArn=S3_READ)
    r.call("iam.get_account_authorization_details", Filter=["AWSManagedPolicy"])


@script
def aliases(r: Recorder) -> None:
    r.call("iam.list_account_aliases")
    r.call("iam.create_account_alias", AccountAlias="acme")
    r.call("iam.list_account_aliases")
    r.call("iam.delete_account_alias", AccountAlias="acme")
    r.call("iam.list_account_aliases")


@script
def credential_report(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada")
    r.call("iam.create_access_key", UserName="ada")
    r.call("iam.create_user", UserName="bob")
    r.call("iam.get_credential_report")
    r.call("iam.generate_credential_report")
    r.call("iam.generate_credential_report")
    r.call("iam.get_credential_report")


@script
def pages(r: Recorder) -> None:
    for number in range(5):
        r.call("iam.create_role", RoleName=f"role-{number}", AssumeRolePolicyDocument=TRUST)
        r.call("iam.create_policy", PolicyName=f"policy-{number}", PolicyDocument=ALLOW_S3)
        r.call("iam.attach_role_policy", RoleName="role-0", PolicyArn=own(f"policy-{number}"))
    r.pages("iam.list_roles", 2)
    r.pages("iam.list_roles", 5)
    r.pages("iam.list_roles", 1000)
    r.pages("iam.list_attached_role_policies", 2, RoleName="role-0")
    r.pages("iam.list_policies", 3, Scope="Local")
    r.call("iam.list_roles", MaxItems=1001)


@script
def identities(r: Recorder) -> None:
    r.call("iam.create_user", UserName="ada", Path="/people/")
    key = r.call("iam.create_access_key", UserName="ada")["AccessKey"]["AccessKeyId"]
    r.call("sts.get_caller_identity", key=key)
    r.call("iam.create_role", RoleName="member", AssumeRolePolicyDocument=TRUST)
    role = f"arn:aws:iam::{ACCOUNT}:role/member"
    answer = r.call("sts.assume_role", RoleArn=role, RoleSessionName="tidy", DurationSeconds=900)
    made = answer["Credentials"]
    r.call("sts.get_caller_identity", key=made["AccessKeyId"], token=made["SessionToken"])
    r.call("sts.assume_role", RoleArn=role, RoleSessionName="x" * 65)
    r.call("sts.assume_role", RoleArn=role, RoleSessionName="tidy", DurationSeconds=60)
    r.call("sts.assume_role", RoleArn=f"arn:aws:iam::{ACCOUNT}:role/none", RoleSessionName="tidy")


@script
def secrets(r: Recorder) -> None:
    arn = r.call("secretsmanager.get_secret_value", SecretId="app/token")["ARN"]
    r.call("secretsmanager.get_secret_value", SecretId=arn)
    r.call("secretsmanager.get_secret_value", SecretId="app/token", VersionStage="AWSCURRENT")
    r.call("secretsmanager.get_secret_value", SecretId="app/token", VersionStage="AWSPREVIOUS")
    r.call("secretsmanager.get_secret_value", SecretId="app/none")


INSTANCES = """
[[accounts.roles]]
name = "web"
assumed_by = ["ec2.amazonaws.com"]
instance_profiles = ["web"]
[[accounts.instance_profiles]]
name = "empty"
[[accounts.regions.us-east-1.instances]]
profile = "web"
http_tokens = "optional"
tags = { Name = "with" }
[[accounts.regions.us-east-1.instances]]
http_tokens = "required"
tags = { Name = "without" }
"""


def instances_of_moto(service: Callable[[str], Any]) -> None:
    iam, ec2 = service("iam"), service("ec2")
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=TRUST)
    for name in ("web", "empty"):
        iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    for name, tokens, profile in [("with", "optional", {"Name": "web"}), ("without", "required", {})]:
        ec2.run_instances(
            ImageId=image,
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            MetadataOptions={"HttpTokens": tokens, "HttpPutResponseHopLimit": 2},
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
            **({"IamInstanceProfile": profile} if profile else {}),
        )


@seeded(INSTANCES, instances_of_moto)
def instances(r: Recorder) -> None:
    def named(name: str) -> dict[str, Any]:
        answer = r.call("ec2.describe_instances", Filters=[{"Name": "tag:Name", "Values": [name]}])
        return answer["Reservations"][0]["Instances"][0]

    with_profile, without = named("with")["InstanceId"], named("without")["InstanceId"]
    r.call("ec2.describe_instances", InstanceIds=[without])
    r.call("ec2.describe_instances", InstanceIds=["i-0123456789abcdef0"])
    r.call("ec2.describe_instances", InstanceIds=["nonsense"])
    for name, value in [("instance-state-name", "running"), ("instance-state-name", "stopped"), ("tag:Name", "*out")]:
        filters = [{"Name": name, "Values": [value]}, {"Name": "instance-id", "Values": [without]}]
        r.call("ec2.describe_instances", Filters=filters)
    associations = "ec2.describe_iam_instance_profile_associations"
    r.call(associations)
    r.call(associations, Filters=[{"Name": "instance-id", "Values": [without]}])
    r.call("ec2.associate_iam_instance_profile", InstanceId=without, IamInstanceProfile={"Name": "none"})
    r.call("ec2.associate_iam_instance_profile", InstanceId=with_profile, IamInstanceProfile={"Name": "web"})
    profile = {"Name": "empty"}
    made = r.call("ec2.associate_iam_instance_profile", InstanceId=without, IamInstanceProfile=profile)
    association = made["IamInstanceProfileAssociation"]["AssociationId"]
    r.call("ec2.associate_iam_instance_profile", InstanceId=without, IamInstanceProfile=profile)
    r.call(associations, AssociationIds=[association])
    arn = f"arn:aws:iam::{ACCOUNT}:instance-profile/web"
    replace = {"AssociationId": association, "IamInstanceProfile": {"Arn": arn}}
    made = r.call("ec2.replace_iam_instance_profile_association", **replace)
    association = made["IamInstanceProfileAssociation"]["AssociationId"]
    r.call(associations, Filters=[{"Name": "instance-id", "Values": [without]}])
    r.call("ec2.describe_instances", InstanceIds=[without])
    r.call("ec2.disassociate_iam_instance_profile", AssociationId=association)
    r.call("ec2.disassociate_iam_instance_profile", AssociationId=association)
    r.call(associations, Filters=[{"Name": "instance-id", "Values": [without]}])
    r.call("ec2.replace_iam_instance_profile_association", **replace)


@script
def regions(r: Recorder) -> None:
    r.call("ec2.describe_regions")
    r.call("ec2.describe_regions", RegionNames=["eu-central-1", "us-east-1"])
    r.call("ec2.describe_regions", RegionNames=["eu-nowhere-1"])
    r.call("ec2.describe_regions", Filters=[{"Name": "region-name", "Values": ["eu-west-*"]}])


TRAILS = """
[[accounts.buckets]]
name = "logs"
[[accounts.regions.us-east-1.log_groups]]
name = "trail"
"""


def trails_of_moto(service: Callable[[str], Any]) -> None:
    service("s3").create_bucket(Bucket="logs")
    service("logs").create_log_group(logGroupName="trail")


@seeded(TRAILS, trails_of_moto)
def trails(r: Recorder) -> None:
    r.call("cloudtrail.describe_trails")
    r.call("cloudtrail.create_trail", Name="main", S3BucketName="logs", IsMultiRegionTrail=True)
    r.call("cloudtrail.create_trail", Name="ab", S3BucketName="logs")
    r.call("cloudtrail.create_trail", Name="-main", S3BucketName="logs")
    r.call("cloudtrail.create_trail", Name="other", S3BucketName="none")
    r.call(
        "cloudtrail.create_trail",
        Name="other",
        S3BucketName="logs",
        IsMultiRegionTrail=True,
        IncludeGlobalServiceEvents=False,
    )
    r.call("cloudtrail.describe_trails")
    r.call("cloudtrail.describe_trails", trailNameList=["main", "none"])
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main"
    r.call("cloudtrail.describe_trails", trailNameList=[arn], includeShadowTrails=False)
    r.call("cloudtrail.get_trail_status", Name="main")
    r.call("cloudtrail.get_trail_status", Name="none")
    r.call("cloudtrail.start_logging", Name="main")
    r.call("cloudtrail.get_trail_status", Name=arn)
    r.call("cloudtrail.stop_logging", Name="main")
    r.call("cloudtrail.get_trail_status", Name="main")
    r.call("cloudtrail.get_event_selectors", TrailName="main")
    r.call("cloudtrail.update_trail", Name="main", EnableLogFileValidation=True)
    r.call("cloudtrail.describe_trails", trailNameList=["main"])
    group = {
        "CloudWatchLogsLogGroupArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:trail:*",
        "CloudWatchLogsRoleArn": f"arn:aws:iam::{ACCOUNT}:role/trail",
    }
    r.call("cloudtrail.update_trail", Name="main", S3KeyPrefix="trail", IsMultiRegionTrail=False, **group)
    r.call("cloudtrail.describe_trails", trailNameList=["main"])
    r.call("cloudtrail.delete_trail", Name="main")
    r.call("cloudtrail.get_trail_status", Name="main")
    r.call("cloudtrail.describe_trails")


LOG_GROUPS = """
[[accounts.regions.us-east-1.log_groups]]
name = "other"
[[accounts.regions.us-east-1.log_groups]]
name = "trail"
retention = 365
"""


def log_groups_of_moto(service: Callable[[str], Any]) -> None:
    logs = service("logs")
    logs.create_log_group(logGroupName="other")
    logs.create_log_group(logGroupName="trail")
    logs.put_retention_policy(logGroupName="trail", retentionInDays=365)


@seeded(LOG_GROUPS, log_groups_of_moto)
def metric_filters(r: Recorder) -> None:
    r.call("logs.describe_log_groups")
    r.call("logs.describe_log_groups", logGroupNamePrefix="tr")
    first = r.call("logs.describe_log_groups", limit=1)
    r.call("logs.describe_log_groups", limit=1, nextToken=first["nextToken"])
    made = {"metricName": "RootUse", "metricNamespace": "CIS", "metricValue": "1"}
    root = '{ $.userIdentity.type = "Root" }'
    put = {"logGroupName": "trail", "filterName": "root", "filterPattern": root, "metricTransformations": [made]}
    r.call("logs.put_metric_filter", **put)
    r.call("logs.put_metric_filter", **put)
    r.call("logs.put_metric_filter", **{**put, "filterName": "second"})
    r.call("logs.put_metric_filter", **{**put, "filterName": "a:b"})
    r.call("logs.put_metric_filter", **{**put, "metricTransformations": []})
    r.call("logs.put_metric_filter", **{**put, "filterPattern": "x" * 1025})
    r.call("logs.describe_metric_filters")
    r.call("logs.describe_metric_filters", logGroupName="trail", filterNamePrefix="ro")
    r.call("logs.describe_metric_filters", logGroupName="other")
    r.call("logs.describe_metric_filters", metricName="RootUse", metricNamespace="CIS")
    r.call("logs.describe_metric_filters", metricName="RootUse")
    r.call("logs.delete_metric_filter", logGroupName="trail", filterName="root")
    r.call("logs.delete_metric_filter", logGroupName="trail", filterName="root")
    r.call("logs.describe_metric_filters")
    r.call("logs.delete_metric_filter", logGroupName="none", filterName="root")
    r.call("logs.describe_metric_filters", logGroupName="none")
    r.call("logs.put_metric_filter", **{**put, "logGroupName": "none"})


def alarms(r: Recorder) -> None:
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:alerts"
    metric = {"MetricName": "RootUse", "Namespace": "CIS"}
    put = {
        **metric,
        "AlarmName": "root",
        "Statistic": "Sum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "AlarmActions": [topic],
        "TreatMissingData": "notBreaching",
        "AlarmDescription": "root & co",
        "Dimensions": [{"Name": "a", "Value": "b"}],
    }
    plain = {name: value for name, value in put.items() if name != "Dimensions"}
    r.call("cloudwatch.describe_alarms")
    r.call("cloudwatch.put_metric_alarm", **put)
    r.call("cloudwatch.put_metric_alarm", **{**plain, "AlarmName": "second", "Threshold": 2.5})
    r.call("cloudwatch.describe_alarms")
    r.call("cloudwatch.describe_alarms", AlarmNames=["second", "none"])
    r.call("cloudwatch.describe_alarms", AlarmNamePrefix="ro")
    r.call("cloudwatch.describe_alarms", StateValue="ALARM")
    r.call("cloudwatch.describe_alarms_for_metric", **metric)
    r.call("cloudwatch.describe_alarms_for_metric", **metric, Dimensions=[{"Name": "a", "Value": "b"}])
    r.call("cloudwatch.describe_alarms_for_metric", MetricName="None", Namespace="CIS")
    r.call("cloudwatch.delete_alarms", AlarmNames=["root"])
    r.call("cloudwatch.describe_alarms")
    r.call("cloudwatch.delete_alarms", AlarmNames=["root"])
    r.call("cloudwatch.describe_alarms", AlarmNamePrefix="ro", AlarmNames=["root"])
    r.call("cloudwatch.put_metric_alarm", **{**plain, "AlarmName": "bad", "ComparisonOperator": "Greater"})
    r.call("cloudwatch.put_metric_alarm", **{**plain, "AlarmName": "bad", "TreatMissingData": "nonsense"})
    r.call("cloudwatch.put_metric_alarm", **{**plain, "AlarmName": "bad", "EvaluationPeriods": None})


for name, protocol in [("alarms", None), ("alarms_by_query", "query"), ("alarms_by_cbor", "smithy-rpc-v2-cbor")]:
    SCRIPTS[name] = Script(alarms, "", nothing, protocol)


TOPICS = """
[[accounts.regions.us-east-1.topics]]
name = "alerts"
subscriptions = [{ endpoint = "ada@acme.example", confirmed = false }, { protocol = "https", endpoint = "https://acme.example" }]
[[accounts.regions.us-east-1.topics]]
name = "lonely"
"""


def topics_of_moto(service: Callable[[str], Any]) -> None:
    sns = service("sns")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    sns.create_topic(Name="lonely")
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ada@acme.example")
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://acme.example")


@seeded(TOPICS, topics_of_moto)
def topics(r: Recorder) -> None:
    for name in ("alerts", "lonely", "none"):
        arn = f"arn:aws:sns:us-east-1:{ACCOUNT}:{name}"
        r.call("sns.get_topic_attributes", TopicArn=arn)
        r.call("sns.list_subscriptions_by_topic", TopicArn=arn)


BUCKETS = """
[[accounts.buckets]]
name = "plain"
[[accounts.buckets]]
name = "safe"
public_policy = false
block_public_access = true
[[accounts.buckets]]
name = "open"
grants = [{ to = "AllUsers", permission = "READ" }]
[[accounts.buckets]]
name = "elsewhere"
region = "eu-central-1"
"""


def buckets_of_moto(service: Callable[[str], Any]) -> None:
    s3 = service("s3")
    for name in ("plain", "safe", "open"):
        s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    s3.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    on = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True)
    s3.put_public_access_block(Bucket="safe", PublicAccessBlockConfiguration=on)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::safe/*",
    }
    s3.put_bucket_policy(Bucket="safe", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_bucket_acl(Bucket="open", ACL="public-read")


@seeded(BUCKETS, buckets_of_moto)
def buckets(r: Recorder) -> None:
    for name in ("plain", "safe", "open", "none"):
        r.call("s3.get_bucket_acl", Bucket=name)
        r.call("s3.get_bucket_policy_status", Bucket=name)
        r.call("s3.get_public_access_block", Bucket=name)
    for name in ("plain", "elsewhere", "none"):
        r.call("s3.get_bucket_location", Bucket=name)


ORGANIZATION = """
[organization]
management = "123456789012"
units = ["/Sandbox"]
members = [
  { id = "123456789012", name = "master" },
  { id = "210987654321", name = "prod", unit = "/Workloads/Prod" },
  { id = "310987654321", name = "old", unit = "/Workloads", state = "SUSPENDED" },
]
[[accounts]]
id = "123456789012"
[[accounts.callers]]
access_key_id = "AKIA123456789012CALL"
acts_as = "user/operator"
"""


def organization_of_moto(service: Callable[[str], Any]) -> None:
    organizations = service("organizations")
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]

    def unit(name: str, parent: str) -> str:
        made = organizations.create_organizational_unit(Name=name, ParentId=parent)
        return made["OrganizationalUnit"]["Id"]

    def account(name: str, parent: str) -> str:
        made = organizations.create_account(AccountName=name, Email=f"{name}@example.com")
        identity = made["CreateAccountStatus"]["AccountId"]
        organizations.move_account(AccountId=identity, SourceParentId=root, DestinationParentId=parent)
        return identity

    unit("Sandbox", root)
    workloads = unit("Workloads", root)
    account("prod", unit("Prod", workloads))
    organizations.close_account(AccountId=account("old", workloads))


@seeded(ORGANIZATION, organization_of_moto)
def organization(r: Recorder) -> None:
    r.call("organizations.list_accounts")
    r.call("organizations.list_accounts", MaxResults=20)
    first = r.call("organizations.list_accounts", MaxResults=1)
    r.call("organizations.list_accounts", MaxResults=20, NextToken=first["NextToken"])
    r.call("organizations.list_accounts", MaxResults=21)
    root = r.call("organizations.list_roots")["Roots"][0]["Id"]
    r.call("organizations.list_accounts_for_parent", ParentId=root)
    r.call("organizations.list_organizational_units_for_parent", ParentId="ou-none-00000000")
    r.call("organizations.list_accounts_for_parent", ParentId="ou-none-00000000")
    r.call("organizations.list_accounts_for_parent", ParentId="nowhere")
    units = [root]
    for parent in units:
        r.call("organizations.list_accounts_for_parent", ParentId=parent)
        listed = r.call("organizations.list_organizational_units_for_parent", ParentId=parent)
        units += [unit["Id"] for unit in sorted(listed["OrganizationalUnits"], key=lambda unit: unit["Name"])]
