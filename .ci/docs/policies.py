"""The IAM policies of a folder: as a template for cfn-lint, which knows all actions, and tried against moto, which enforces them.

    python3 policies.py template FOLDER     prints a CloudFormation template with all of them
    python3 policies.py try FOLDER          each user may do just what iam.md says
    python3 policies.py same FOLDER         CloudFormation's and Terraform's publisher has the actions of iam-publisher.json
"""

import json
import os
import re
import sys
from pathlib import Path

BUCKET = "bucket"
USERS = ["publisher", "gc", "reader"]


def policy(folder, user):
    return json.loads((Path(folder) / f"iam-{user}.json").read_text().replace("BUCKET", BUCKET))


def template(folder):
    resources = {
        user.capitalize(): {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy(folder, user)}}
        for user in USERS
    }
    print(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}, indent=2))
    return 0


def same(folder):
    def between(file, start, end):
        return set(re.findall(r"s3:\w+", (Path(folder) / file).read_text().partition(start)[2].partition(end)[0]))

    wanted = set(re.findall(r"s3:\w+", json.dumps(policy(folder, "publisher"))))
    found = {
        "cloudformation.yaml": between("cloudformation.yaml", "  PublisherPolicy:", "  CollectorPolicy:"),
        "terraform": between("terraform/main.tf", '"aws_iam_policy_document" "publisher"', 'resource "aws_iam_policy"'),
    }
    for name, actions in found.items():
        if actions != wanted:
            print(f"{name}: {', '.join(sorted(actions))}, iam-publisher.json: {', '.join(sorted(wanted))}")
    return 0 if all(actions == wanted for actions in found.values()) else 1


# What is asked, and who may.
PACK, INDEX = "store/packs/ab/new.pack", "team/app.rgx"
REQUESTS = [
    ("put a pack", {"publisher", "gc"}, lambda s3: s3.put_object(Bucket=BUCKET, Key=PACK, Body=b"")),
    ("put an index", {"publisher", "gc"}, lambda s3: s3.put_object(Bucket=BUCKET, Key=INDEX, Body=b"")),
    ("put regrow.json", {"publisher", "gc"}, lambda s3: s3.put_object(Bucket=BUCKET, Key="store/regrow.json", Body=b"")),
    ("put elsewhere", set(), lambda s3: s3.put_object(Bucket=BUCKET, Key="other/file", Body=b"")),
    (
        "begin a multipart upload",
        {"publisher", "gc"},
        lambda s3: s3.create_multipart_upload(Bucket=BUCKET, Key=PACK),
    ),
    (
        "copy an index",
        {"publisher", "gc"},
        lambda s3: s3.copy_object(Bucket=BUCKET, Key="team/new.rgx", CopySource={"Bucket": BUCKET, "Key": "there.rgx"}),
    ),
    ("get a pack", set(USERS), lambda s3: s3.get_object(Bucket=BUCKET, Key="store/packs/ab/there.pack")),
    ("get an index", set(USERS), lambda s3: s3.get_object(Bucket=BUCKET, Key="there.rgx")),
    ("get elsewhere", set(), lambda s3: s3.get_object(Bucket=BUCKET, Key="elsewhere")),
    ("list", set(USERS), lambda s3: s3.list_objects_v2(Bucket=BUCKET)),
    ("delete a pack", {"gc"}, lambda s3: s3.delete_object(Bucket=BUCKET, Key=PACK)),
    ("delete an index", set(), lambda s3: s3.delete_object(Bucket=BUCKET, Key=INDEX)),
]


def try_all(folder):
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "root"}
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    import boto3
    from botocore.exceptions import ClientError
    from moto import mock_aws
    from moto.core import set_initial_no_auth_action_count

    wrong = 0
    with mock_aws():
        root, iam, keys = boto3.client("s3"), boto3.client("iam"), {}
        root.create_bucket(Bucket=BUCKET)
        for key in ["store/packs/ab/there.pack", "there.rgx", "elsewhere"]:
            root.put_object(Bucket=BUCKET, Key=key, Body=b"")
        for user in USERS:
            iam.create_user(UserName=user)
            iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=json.dumps(policy(folder, user)))
            keys[user] = iam.create_access_key(UserName=user)["AccessKey"]
        for user in USERS:
            s3 = boto3.client(
                "s3", aws_access_key_id=keys[user]["AccessKeyId"], aws_secret_access_key=keys[user]["SecretAccessKey"]
            )
            for text, may, request in REQUESTS:

                @set_initial_no_auth_action_count(0)
                def attempt():
                    try:
                        request(s3)
                        return True
                    except ClientError as error:
                        if error.response["Error"]["Code"] == "AccessDenied":
                            return False
                        raise

                allowed = attempt()
                if allowed != (user in may):
                    wrong += 1
                    print(f"{user}: {text}: {'allowed' if allowed else 'refused'}")
    print(f"{len(USERS) * len(REQUESTS)} requests tried, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit({"template": template, "try": try_all, "same": same}[sys.argv[1]](sys.argv[2]))
