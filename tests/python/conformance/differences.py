"""Where the simulator and moto differ, each with the reason why the simulator is as it is."""

from __future__ import annotations

_UNCHECKED = "moto does not check this parameter; the model bounds it, and AWS refuses what is out of bounds"
_TRUNCATED = "moto leaves out IsTruncated, which AWS always sends; absent and false mean the same to SDKs"
_BOUNDARY_COUNT = "moto does not count boundaries; the model and AWS have the count in every policy"
_DOCUMENT = "the model's documentation: the document is not returned by CreatePolicyVersion and ListPolicyVersions"
_REPORT = "moto writes not_supported where the user guide's table of columns says N/A"
_BOOTSTRAP = "the secret of a device is shown when it is made and never again; the API reference has an example without"
_SUBSET = "the model's documentation: in lists and in profiles roles are without tags and last use, and profiles without tags"
_PLAIN = "optional in the model; instances here are as much as their roles and their metadata ask for"
_TIMESTAMP = "moto leaves out when the association was made"
_NO_LOG_GROUP = "moto does not ask whether the log group exists; the model lists ResourceNotFoundException"
_NO_PASSWORD = "the user guide: N/A for a user without a password"

_INVITED = "the API reference's example: the management account joined by invitation"

# (operation, place) -> reason. A place is a path into the answer, or `error`.
DIFFERENCES: dict[tuple[str, str], str] = {
    # What moto does not check.
    ("TagUser", "error"): _UNCHECKED,
    ("CreateUser", "error"): _UNCHECKED,
    ("CreateRole", "error"): _UNCHECKED,
    ("UpdateAccessKey", "error"): _UNCHECKED,
    ("UpdateAccountPasswordPolicy", "error"): _UNCHECKED + ": moto takes 0 and numbers that are too small",
    ("GetAccountAuthorizationDetails", "error"): _UNCHECKED,
    ("ListRoles", "error"): _UNCHECKED,
    ("AssumeRole", "error"): "moto assumes roles that do not exist, and sessions of any length of time",
    ("DeleteUser", "error"): "moto deletes users with access keys; AWS says DeleteConflict",
    ("DeletePolicy", "error"): "moto deletes policies with several versions or attachments; AWS says DeleteConflict",
    ("ListEntitiesForPolicy", "error"): "moto answers for policies that do not exist; the model lists NoSuchEntity",
    ("GetAccessKeyLastUsed", "error"): (
        "AWS says AccessDenied for keys that the account does not own or that do not exist; the model lists no "
        "NoSuchEntity for this operation"
    ),
    # Pages.
    ("ListAccessKeys", "IsTruncated"): _TRUNCATED,
    ("ListGroups", "IsTruncated"): _TRUNCATED,
    ("GetGroup", "IsTruncated"): _TRUNCATED,
    ("ListInstanceProfilesForRole", "IsTruncated"): _TRUNCATED,
    ("ListPolicyVersions", "IsTruncated"): _TRUNCATED,
    ("ListGroupPolicies", "IsTruncated"): _TRUNCATED,
    ("ListAccountAliases", "IsTruncated"): _TRUNCATED,
    ("ListSSHPublicKeys", "IsTruncated"): _TRUNCATED,
    ("ListSigningCertificates", "IsTruncated"): _TRUNCATED,
    # Passwords.
    ("GetAccountPasswordPolicy", "PasswordPolicy.HardExpiry"): "AWS leaves it out where passwords do not expire",
    ("GetAccountPasswordPolicy", "PasswordPolicy.MaxPasswordAge"): (
        "the model's least value is 1; AWS leaves the field out where passwords do not expire"
    ),
    ("CreateLoginProfile", "LoginProfile.PasswordResetRequired"): "moto loses the parameter",
    ("GetLoginProfile", "LoginProfile.PasswordResetRequired"): "moto loses the parameter",
    # MFA devices.
    ("ListVirtualMFADevices", "error"): _UNCHECKED,
    ("ListVirtualMFADevices", "VirtualMFADevices[].Base32StringSeed"): _BOOTSTRAP,
    ("ListVirtualMFADevices", "VirtualMFADevices[].QRCodePNG"): _BOOTSTRAP,
    ("ListVirtualMFADevices", "Items[].Base32StringSeed"): _BOOTSTRAP,
    ("ListVirtualMFADevices", "Items[].QRCodePNG"): _BOOTSTRAP,
    ("ListVirtualMFADevices", "Pages"): "moto ends with an empty page",
    ("DeleteVirtualMFADevice", "error"): "moto deletes devices in use; AWS says DeleteConflict",
    ("GetAccountSummary", "SummaryMap.MFADevices"): "moto counts hardware devices among those in use and not here",
    # Policies.
    ("CreatePolicy", "Policy.PermissionsBoundaryUsageCount"): _BOUNDARY_COUNT,
    ("GetPolicy", "Policy.PermissionsBoundaryUsageCount"): _BOUNDARY_COUNT,
    ("ListPolicies", "Policies[].PermissionsBoundaryUsageCount"): _BOUNDARY_COUNT,
    ("ListPolicies", "Items[].PermissionsBoundaryUsageCount"): _BOUNDARY_COUNT,
    ("GetAccountAuthorizationDetails", "Policies[].PermissionsBoundaryUsageCount"): _BOUNDARY_COUNT,
    ("CreatePolicyVersion", "PolicyVersion.Document"): _DOCUMENT,
    ("ListPolicyVersions", "Versions[].Document"): _DOCUMENT,
    ("GetPolicy", "Policy.AttachmentCount"): "moto counts a repeated attachment to a user or group twice",
    ("ListPolicies", "Policies[].AttachmentCount"): "moto counts a repeated attachment to a user or group twice",
    ("GetAccountAuthorizationDetails", "Policies[].PolicyName"): "moto leaves out name and id of policies",
    ("GetAccountAuthorizationDetails", "Policies[].PolicyId"): "moto leaves out name and id of policies",
    ("GetAccountAuthorizationDetails", "Policies[].Description"): "moto writes an empty description where there is none",
    ("GetPolicy", "Policy.Description"): "moto does not have the descriptions of AWS's policies",
    ("GetAccountAuthorizationDetails", "Policies[#]"): "moto lists all policies of AWS; AWS lists those in use",
    # Instance profiles.
    ("CreateInstanceProfile", "InstanceProfile.Tags"): "moto writes an empty list where there are no tags",
    ("ListInstanceProfiles", "IsTruncated"): _TRUNCATED,
    ("ListInstanceProfiles", "InstanceProfiles[#]"): "moto ignores PathPrefix",
    ("ListInstanceProfilesForRole", "error"): "moto answers for roles that do not exist; the model lists NoSuchEntity",
    **{
        (operation, f"{place}.{field}"): _SUBSET
        for operation, place, fields in [
            ("GetInstanceProfile", "InstanceProfile", ["Roles[].Tags", "Roles[].RoleLastUsed"]),
            ("ListInstanceProfiles", "InstanceProfiles[]", ["Tags", "Roles[].Tags", "Roles[].RoleLastUsed"]),
            ("ListInstanceProfilesForRole", "InstanceProfiles[]", ["Tags", "Roles[].Tags", "Roles[].RoleLastUsed"]),
            (
                "GetAccountAuthorizationDetails",
                "RoleDetailList[].InstanceProfileList[]",
                ["Tags", "Roles[].Tags", "Roles[].RoleLastUsed"],
            ),
        ]
        for field in fields
    },
    # Boundaries.
    ("CreateUser", "User.PermissionsBoundary"): "moto does not keep the boundaries of users",
    ("GetUser", "User.PermissionsBoundary"): "moto does not keep the boundaries of users",
    ("GetRole", "Role.PermissionsBoundary.PermissionsBoundaryType"): (
        "the model's documentation: this can only have a value of Policy"
    ),
    # The account.
    ("GetAccountSummary", "SummaryMap.AccountPasswordPresent"): "moto does not know this key of the model",
    ("GetAccountSummary", "SummaryMap.PolicyVersionsInUse"): "moto counts a version once for each attachment",
    # The credential report.
    ("GetCredentialReport", "Content.<root_account>"): "moto leaves out the root user's row",
    **{
        ("GetCredentialReport", f"Content.{user}.{column}"): reason
        for user in ("ada", "bob")
        for column, reason in {
            "access_key_1_last_used_region": _REPORT,
            "access_key_1_last_used_service": _REPORT,
            "access_key_2_last_used_region": _REPORT,
            "access_key_2_last_used_service": _REPORT,
            "password_last_changed": _NO_PASSWORD,
            "password_last_used": _NO_PASSWORD,
            "password_next_rotation": _NO_PASSWORD,
            "additional_credentials_info": "the newest column of the report, which moto does not have",
        }.items()
    },
    ("GetCredentialReport", "Content.ada.cert_1_last_rotated"): (
        "in real reports inactive certificates keep their date, as inactive keys do"
    ),
    # EC2.
    **{
        ("DescribeInstances", f"Reservations[].Instances[].{field}"): _PLAIN
        for field in [
            "AmiLaunchIndex",
            "Architecture",
            "BlockDeviceMappings",
            "ClientToken",
            "EbsOptimized",
            "HibernationOptions",
            "Hypervisor",
            "Monitoring",
            "NetworkInterfaces",
            "Operator",
            "Placement.GroupName",
            "Platform",
            "PrivateDnsName",
            "PrivateIpAddress",
            "ProductCodes",
            "PublicDnsName",
            "PublicIpAddress",
            "RootDeviceName",
            "RootDeviceType",
            "SecurityGroups",
            "SourceDestCheck",
            "SriovNetSupport",
            "StateReason",
            "StateTransitionReason",
            "SubnetId",
            "VirtualizationType",
            "VpcId",
        ]
    },
    ("DescribeInstances", "error"): "moto takes every text for an id; AWS says InvalidInstanceID.Malformed",
    ("DescribeInstances", "Reservations[].Instances[].IamInstanceProfile.Arn"): (
        "moto shows an instance with the profile from before it was replaced"
    ),
    ("DescribeIamInstanceProfileAssociations", "IamInstanceProfileAssociations[].Timestamp"): _TIMESTAMP,
    ("AssociateIamInstanceProfile", "IamInstanceProfileAssociation.Timestamp"): _TIMESTAMP,
    ("DisassociateIamInstanceProfile", "IamInstanceProfileAssociation.Timestamp"): _TIMESTAMP,
    ("ReplaceIamInstanceProfileAssociation", "IamInstanceProfileAssociation.Timestamp"): _TIMESTAMP,
    ("AssociateIamInstanceProfile", "error"): "moto lets IAM's NoSuchEntity through; EC2 has InvalidParameterValue",
    ("DescribeRegions", "Regions[#]"): "moto lists regions that have to be switched on, and ignores this filter",
    ("DescribeRegions", "error"): _UNCHECKED,
    # CloudTrail.
    ("GetTrailStatus", "LatestDeliveryTime"): "moto delivers when logging starts; the simulator when the seed says so",
    ("GetTrailStatus", "LatestDeliveryAttemptTime"): "the same",
    ("GetEventSelectors", "AdvancedEventSelectors"): "moto writes an empty list where there are none",
    ("GetEventSelectors", "EventSelectors[#]"): (
        "moto gives a new trail no selectors; the model's documentation: it logs management events, reads and writes"
    ),
    # CloudWatch Logs.
    ("DescribeLogGroups", "logGroups[].logGroupClass"): "moto leaves out the class, which every log group has",
    ("DescribeMetricFilters", "metricFilters[].applyOnTransformedLogs"): "moto leaves it out where it is false",
    ("DescribeMetricFilters", "metricFilters[].creationTime"): "moto leaves it out",
    ("DescribeMetricFilters", "metricFilters[#]"): "moto keeps both where a filter is put twice",
    ("DescribeMetricFilters", "error"): _NO_LOG_GROUP,
    ("PutMetricFilter", "error"): _NO_LOG_GROUP,
    ("DeleteMetricFilter", "error"): "moto deletes what is not there; the model lists ResourceNotFoundException",
    # CloudWatch.
    ("DescribeAlarms", "MetricAlarms[].StateValue"): "an alarm that was never evaluated has insufficient data",
    ("DescribeAlarms", "MetricAlarms[].StateTransitionedTimestamp"): "moto leaves it out",
    ("DescribeAlarms", "MetricAlarms[].StateReasonData"): "nothing was evaluated, so there is no data",
    ("DescribeAlarms", "MetricAlarms[].Metrics"): "moto writes an empty list where there are none",
    ("DescribeAlarms", "error"): _UNCHECKED,
    ("DescribeAlarmsForMetric", "MetricAlarms[#]"): (
        "moto ignores dimensions; the model's documentation: all of the metric's have to be given"
    ),
    ("DeleteAlarms", "error"): "moto deletes what is not there; the model lists ResourceNotFound",
    ("PutMetricAlarm", "error"): _UNCHECKED,
    # SNS.
    ("GetTopicAttributes", "Attributes.DeliveryPolicy"): "only there where somebody has set one",
    ("GetTopicAttributes", "Attributes.EffectiveDeliveryPolicy"): "the user guide has it with http around it",
    ("GetTopicAttributes", "Attributes.SubscriptionsConfirmed"): "moto counts none",
    ("GetTopicAttributes", "Attributes.SubscriptionsPending"): "moto counts none",
    ("ListSubscriptionsByTopic", "Subscriptions[].SubscriptionArn"): "moto confirms every subscription by itself",
    # S3.
    ("GetBucketAcl", "Owner.DisplayName"): "S3 does not answer with display names any more",
    ("GetBucketPolicyStatus", "error"): "moto does not know the operation and answers as if the bucket was listed",
    ("GetBucketPolicyStatus", "PolicyStatus.IsPublic"): "moto does not know the operation",
    # Organizations.
    ("ListAccounts", "error"): _UNCHECKED + ": pages of up to 20",
    ("ListAccounts", "Accounts[].JoinedMethod"): _INVITED,
    ("ListAccountsForParent", "Accounts[].JoinedMethod"): _INVITED,
    ("ListAccountsForParent", "error"): "moto takes any text for the id of a parent; the model has its form",
    # Other services.
    ("AssumeRole", "PackedPolicySize"): "only there where session policies or tags are passed",
    ("GetSecretValue", "error"): "AWS answers errors of the JSON protocol with 400; moto says 404 here",
}
