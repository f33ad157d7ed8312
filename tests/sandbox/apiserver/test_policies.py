"""ValidatingAdmissionPolicies: which writes they see, what follows from a violation, and what they may say."""

# ruff: noqa: E501 - objects read better on one line

from __future__ import annotations

from typing import Any

import pytest
from sandbox.apiserver.conftest import BOATS, Client, Reply, a_boat, a_definition

MAPS = "/api/v1/namespaces/default/configmaps"
ROOT = "/apis/admissionregistration.k8s.io/v1"
DENIED = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "


def a_map(name: str = "m", labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels or {}}, "data": data}


def a_policy(*validations: str | dict[str, Any], rule: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A policy over ConfigMaps; a validation may be given by its expression alone."""
    resources = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}  # fmt: skip
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [{**resources, **(rule or {})}]},
            "validations": [{"expression": v} if isinstance(v, str) else v for v in validations],
            **spec,
        },
    }


async def in_force(client: Client, policy: dict[str, Any], *actions: str, **binding: Any) -> None:
    """Create a policy and bind it everywhere."""
    made = await client.post(f"{ROOT}/validatingadmissionpolicies", policy)
    assert made.status == 201, made.body
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b"},
        "spec": {"policyName": "p", "validationActions": list(actions or ("Deny",)), **binding},
    }  # fmt: skip
    bound = await client.post(f"{ROOT}/validatingadmissionpolicybindings", body)
    assert bound.status == 201, bound.body


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.body.get("message", "").removeprefix('configmaps "m" is forbidden: ')


async def test_a_violation_is_refused_as_a_real_server_refuses_it(client: Client) -> None:
    await in_force(client, a_policy("object.data.size == 'small'"))
    assert (await client.post(MAPS, a_map("ok", size="small"))).status == 201
    refused = await client.post(MAPS, a_map(size="large"))
    why = f"{DENIED}failed expression: object.data.size == 'small'"
    assert refused.status == 422
    assert refused.body == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Invalid", "code": 422,
        "message": f'configmaps "m" is forbidden: {why}',
        "details": {"name": "m", "kind": "configmaps", "causes": [{"message": why}]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "code"), [("Forbidden", 403), ("Unauthorized", 401), ("RequestEntityTooLarge", 413)]
)
async def test_the_reason_of_a_validation_chooses_the_code(client: Client, reason: str, code: int) -> None:
    await in_force(client, a_policy({"expression": "false", "message": "no", "reason": reason}))
    refused = await client.post(MAPS, a_map())
    assert (*refusal(refused), refused.body["reason"]) == (code, DENIED + "no", reason)


async def test_a_message_may_be_computed(client: Client) -> None:
    validation = {"expression": "false", "messageExpression": "'not ' + object.metadata.name + ' by ' + request.userInfo.username"}  # fmt: skip
    await in_force(client, a_policy(validation))
    assert refusal(await client.post(MAPS, a_map())) == (422, DENIED + "not m by kubernetes-admin")


async def test_a_policy_without_a_binding_does_nothing(client: Client) -> None:
    await client.post(f"{ROOT}/validatingadmissionpolicies", a_policy("false"))
    assert (await client.post(MAPS, a_map())).status == 201


async def test_an_update_is_compared_with_the_old_object(client: Client) -> None:
    await in_force(client, a_policy("oldObject == null || object.data.k == oldObject.data.k"))
    assert (await client.post(MAPS, a_map(k="v"))).status == 201
    assert (await client.merge(f"{MAPS}/m", {"data": {"k": "w"}})).status == 422
    assert (await client.apply(f"{MAPS}/m", a_map(k="w"), "f", force="true")).status == 422
    assert (await client.merge(f"{MAPS}/m", {"data": {"other": "w"}})).status == 200


async def test_a_deletion_shows_the_old_object_only(client: Client) -> None:
    await client.post(MAPS, a_map(keep="yes"))
    await in_force(client, a_policy("object == null && !has(oldObject.data.keep)", rule={"operations": ["DELETE"]}))
    assert (await client.delete(f"{MAPS}/m")).status == 422
    await client.merge(f"{MAPS}/m", {"data": {"keep": None, "k": "v"}})
    assert (await client.delete(f"{MAPS}/m")).status == 200


async def test_a_dry_run_is_judged_too(client: Client) -> None:
    await in_force(client, a_policy("false"))
    assert (await client.post(MAPS, a_map(), dryRun="All")).status == 422


async def test_a_warning_lets_the_write_through(client: Client) -> None:
    await in_force(client, a_policy({"expression": "false", "message": "better not"}), "Warn", "Audit")
    made = await client.post(MAPS, a_map())
    assert made.status == 201
    assert (
        made.headers["Warning"]
        == "299 - \"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': better not\""
    )


async def test_an_audit_is_silent_towards_the_client(client: Client) -> None:
    await in_force(client, a_policy("false"), "Audit")
    made = await client.post(MAPS, a_map())
    assert (made.status, "Warning" in made.headers) == (201, False)


async def test_an_expression_that_fails_denies_unless_failures_are_ignored(client: Client) -> None:
    await in_force(client, a_policy("object.data.missing == 'x'"))
    code, message = refusal(await client.post(MAPS, a_map(k="v")))
    assert code == 422
    assert message.startswith(DENIED + "expression 'object.data.missing == 'x'' resulted in error:")
    await client.merge(f"{ROOT}/validatingadmissionpolicies/p", {"spec": {"failurePolicy": "Ignore"}})
    assert (await client.post(MAPS, a_map(k="v"))).status == 201


async def test_match_conditions_choose_the_writes(client: Client) -> None:
    condition = {"name": "others", "expression": "object.metadata.name != 'spared'"}
    await in_force(client, a_policy("false", matchConditions=[condition]))
    assert (await client.post(MAPS, a_map("spared"))).status == 201
    assert (await client.post(MAPS, a_map())).status == 422


async def test_variables_build_on_each_other_and_fail_only_where_they_are_used(client: Client) -> None:
    variables = [
        {"name": "size", "expression": "int(object.data.size)"},
        {"name": "double", "expression": "variables.size * 2"},
    ]
    await in_force(client, a_policy("!has(object.data.size) || variables.double < 10", variables=variables))
    assert (await client.post(MAPS, a_map("a", size="4"))).status == 201
    assert (await client.post(MAPS, a_map("b", other="1"))).status == 201
    assert (await client.post(MAPS, a_map("c", size="5"))).status == 422


async def test_selectors_limit_policies_and_bindings(client: Client) -> None:
    constraints = a_policy("false")["spec"]["matchConstraints"]
    policy = a_policy("false", matchConstraints={**constraints, "objectSelector": {"matchLabels": {"judged": "yes"}}})
    namespaces = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["default"]}]}
    await in_force(client, policy, matchResources={"namespaceSelector": namespaces})
    elsewhere = "/api/v1/namespaces/kube-public/configmaps"
    assert (await client.post(MAPS, a_map("plain"))).status == 201
    assert (await client.post(elsewhere, a_map(labels={"judged": "yes"}))).status == 201
    assert (await client.post(MAPS, a_map(labels={"judged": "yes"}))).status == 422


async def test_a_subresource_is_matched_by_its_own_name(client: Client) -> None:
    await client.define(a_definition(subresources={"status": {}}))
    await client.post(BOATS, a_boat())
    rule = {"apiGroups": ["test.example"], "apiVersions": ["*"], "resources": ["boats/status"]}
    await in_force(client, a_policy("!has(object.status.sunk)", rule=rule))
    assert (await client.merge(f"{BOATS}/b", {"spec": {"sunk": True}})).status == 200
    assert (await client.merge(f"{BOATS}/b/status", {"status": {"sunk": True}})).status == 422


async def test_a_scale_is_judged_as_a_scale(client: Client) -> None:
    scale = {"specReplicasPath": ".spec.crew", "statusReplicasPath": ".status.crew"}
    schema = {"type": "object", "properties": {"crew": {"type": "integer"}}}
    await client.define(a_definition(schema, subresources={"scale": scale}))
    await client.post(BOATS, a_boat(crew=1))
    rule = {"apiGroups": ["test.example"], "apiVersions": ["v1"], "resources": ["*/scale"]}
    await in_force(client, a_policy("object.kind == 'Scale' && object.spec.replicas < 3", rule=rule))
    assert (await client.merge(f"{BOATS}/b/scale", {"spec": {"replicas": 2}})).status == 200
    assert (await client.merge(f"{BOATS}/b/scale", {"spec": {"replicas": 3}})).status == 422


async def test_parameters_come_from_an_object_that_the_binding_names(client: Client) -> None:
    await client.post("/api/v1/namespaces/kube-public/configmaps", a_map("limits", most="3"))
    policy = a_policy("int(object.data.size) <= int(params.data.most)", paramKind={"apiVersion": "v1", "kind": "ConfigMap"})  # fmt: skip
    where = {"name": "limits", "namespace": "kube-public", "parameterNotFoundAction": "Deny"}
    await in_force(client, policy, paramRef=where)
    assert (await client.post(MAPS, a_map("a", size="3"))).status == 201
    assert (await client.post(MAPS, a_map("b", size="4"))).status == 422
    await client.delete("/api/v1/namespaces/kube-public/configmaps/limits")
    code, message = refusal(await client.post(MAPS, a_map(size="1")))
    assert code == 422
    assert "no params found" in message


async def test_policies_cannot_lock_their_owner_out(client: Client) -> None:
    await in_force(client, a_policy("false", rule={"apiGroups": ["*"], "resources": ["*"], "operations": ["*"]}))
    assert (await client.delete(f"{ROOT}/validatingadmissionpolicies/p")).status == 200
    assert (await client.post(MAPS, a_map())).status == 201


async def test_a_policy_that_cannot_work_is_refused(client: Client) -> None:
    bad = a_policy("object.x ==", {"expression": "true", "reason": "Because"}, variables=[{"name": "a b", "expression": "1"}])  # fmt: skip
    refused = await client.post(f"{ROOT}/validatingadmissionpolicies", bad)
    assert refused.causes == ["spec.validations[0].expression", "spec.validations[1].reason", "spec.variables[0].name"]
    empty = {**a_policy(), "spec": {}}
    refused = await client.post(f"{ROOT}/validatingadmissionpolicies", empty)
    assert refused.causes == ["spec.matchConstraints", "spec.validations"]


@pytest.mark.parametrize(
    ("expression", "at", "wanted", "found"),
    [
        ("object.metadata.name in ['', oldObject.metadata.name]", 48, "string", "dyn"),
        ("['', variables.name].size() == 2", 15, "string", "dyn"),
        ("['', variables.count].size() == 2", 15, "string", "int"),
        ("[variables.names, ['a']].size() == 2", 19, "list(dyn)", "list(string)"),
        ("[request.namespace, object.metadata.name].size() == 2", 36, "string", "dyn"),
        ("[null, 'a'].size() == 2", 8, "null", "string"),
        ("[1, 1u].size() == 2", 5, "int", "uint"),
        ("[has(object.data), 'a'].size() == 2", 20, "bool", "string"),
        ("{'a': 1, 'b': 'c'}.size() == 2", 15, "int", "string"),
        ("{'a': 1, 2: 1}.size() == 2", 10, "string", "int"),
        ("{'a': {'b': 1}, 'c': {'d': 'e'}}.size() == 2", 22, "map(string, int)", "map(string, string)"),
        ("[?optional.of('a'), 1].size() == 2", 21, "string", "int"),
        ("object.items.all(item, item in ['', item.name])", 41, "string", "dyn"),
    ],
)  # fmt: skip
async def test_a_list_or_map_that_is_written_out_has_one_type(
    client: Client, expression: str, at: int, wanted: str, found: str
) -> None:
    refused = await client.post(f"{ROOT}/validatingadmissionpolicies", a_policy(expression, variables=NAMED))
    assert refused.causes == ["spec.validations[0].expression"]
    marked = f" | {expression}\n | {'.' * (at - 1)}^"
    why = f"compilation failed: ERROR: <input>:1:{at}: expected type '{wanted}' but found '{found}'\n{marked}"
    assert refused.body["message"].endswith(why)


NAMED = [
    {"name": "name", "expression": "has(object.data) ? object.metadata.name : ''"},
    {"name": "count", "expression": "1"},
    {"name": "names", "expression": "[variables.name]"},
    {"name": "none", "expression": "[]"},
    {"name": "called", "expression": "request.name"},
]


@pytest.mark.parametrize(
    "expression",
    [
        "['', 'a', string(object.metadata.name), request.name, request.userInfo.username, variables.called].size() == 6",
        "[object.metadata.name, variables.name, object.spec].size() == 3",
        "[variables.names, ['a'] + [object.metadata.name]].size() == 2",
        "[[], ['a']].size() == 2",
        "[request.userInfo.groups, ['a']].size() == 2",
        "[true ? [] : ['a'], ['a']].size() == 2",
        "{'a': dyn(1), 'b': dyn('c')}.size() == 2",
        "'%s %d'.format(['a', 1]) == 'a 1'",
        "[namespaceObject.metadata.name, 'a'].size() == 2",
        "[quantity('1'), quantity('2')].size() == 2",
        "[authorizer.group('').resource('a').check('b').allowed(), true].size() == 2",
        "[?optional.of('a'), 'b'].size() == 2",
    ],
)
async def test_types_that_are_one_or_are_not_known_are_taken(client: Client, expression: str) -> None:
    made = await client.post(f"{ROOT}/validatingadmissionpolicies", a_policy(expression, variables=NAMED))
    assert made.status == 201, made.body


async def test_a_binding_cannot_both_deny_and_warn(client: Client) -> None:
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b"},
        "spec": {"policyName": "p", "validationActions": ["Deny", "Warn"]},
    }  # fmt: skip
    refused = await client.post(f"{ROOT}/validatingadmissionpolicybindings", body)
    assert (refused.status, refused.causes) == (422, ["spec.validationActions"])


async def granted(client: Client, account: str, *verbs: str) -> None:
    """Bind a ClusterRole with these verbs on ConfigMaps to a service account of the default namespace."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": account},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}],
    }  # fmt: skip
    assert (await client.post(f"{rbac}/clusterroles", role)).status == 201
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": account},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "default"}],
    }  # fmt: skip
    assert (await client.post(f"{rbac}/namespaces/default/rolebindings", body)).status == 201


@pytest.mark.parametrize(
    "asked",
    [
        "authorizer.group('').resource('configmaps').namespace(request.namespace).check('bless').allowed()",
        "authorizer.group('').resource('configmaps').namespace('default').name('m').check('bless').allowed()",
        "authorizer.requestResource.check('bless').allowed()",
    ],
)
async def test_a_policy_may_ask_whether_the_writer_has_a_verb_of_its_own(client: Client, asked: str) -> None:
    await in_force(client, a_policy(asked))
    await granted(client, "priest", "create", "bless")
    await granted(client, "layman", "create")
    priest, layman = await client.as_account("priest"), await client.as_account("layman")
    assert (await layman.post(MAPS, a_map())).status == 422
    assert (await priest.post(MAPS, a_map())).status == 201


async def test_a_policy_may_ask_what_some_service_account_may_do(client: Client) -> None:
    priest = "authorizer.serviceAccount('default', 'priest').group('').resource('configmaps').namespace('default')"
    await in_force(client, a_policy(f"{priest}.check('bless').allowed()"))
    assert (await client.post(MAPS, a_map())).status == 422
    await granted(client, "priest", "bless")
    assert (await client.post(MAPS, a_map())).status == 201


async def test_the_administrator_has_every_verb(client: Client) -> None:
    await in_force(client, a_policy("authorizer.group('').resource('configmaps').check('bless').allowed()"))
    assert (await client.post(MAPS, a_map())).status == 201


async def test_what_is_asked_of_the_api_is_counted_with_who_asked_and_whether_they_might(client: Client) -> None:
    await granted(client, "reader", "get")
    reader = await client.as_account("reader")
    await reader.get(f"{MAPS}/m")
    await reader.get(MAPS)
    rows = (await client.get("/debug/requests")).body["requests"]
    mine = [(row["verb"], row["group"], row["resource"], row["namespace"], row["allowed"], row["count"]) for row in rows
            if row["user"] == "system:serviceaccount:default:reader"]  # fmt: skip
    assert mine == [("get", "", "configmaps", "default", True, 1), ("list", "", "configmaps", "default", False, 1)]


async def test_who_applies_what_is_missing_needs_the_right_to_create_it_too(client: Client) -> None:
    await granted(client, "patcher", "patch")
    patcher = await client.as_account("patcher")
    refused = await patcher.apply(f"{MAPS}/m", a_map(), "f")
    assert refused.status == 403
    assert 'cannot create resource "configmaps"' in refused.body["message"]
    await client.post(MAPS, a_map())
    assert (await patcher.apply(f"{MAPS}/m", a_map(), "f", force="true")).status == 200
