"""A listener's rules and actions, as the API has them and as we do."""

from __future__ import annotations

from typing import Any

from deployer.sandbox.fronts.view import Action, Condition, Fixed, Forward, Redirect, Rule


def rules_of(listener: Any) -> tuple[Rule, ...]:
    ordered = sorted(listener.rules.values(), key=lambda rule: (rule.priority == "default", _number(rule.priority)))
    return tuple(Rule(tuple(_condition(each) for each in rule.conditions), _action(rule.actions)) for rule in ordered)


def _number(priority: Any) -> int:
    return 0 if priority == "default" else int(priority)


def _condition(data: dict[str, Any]) -> Condition:
    """The API has the values twice: plainly, and in a structure named after the field."""
    config: dict[str, Any] = next((value for key, value in data.items() if key.endswith("Config") and value), {})
    values = data.get("Values") or config.get("Values") or []
    texts = [f"{each.get('Key', '')}={each['Value']}" if isinstance(each, dict) else str(each) for each in values]
    return Condition(data["Field"], tuple(texts), config.get("HttpHeaderName", ""))


def _action(actions: list[Any]) -> Action:
    """The last one answers; what may stand before it, authentication, is not done here."""
    data = max((action.data for action in actions), key=lambda each: int(each.get("Order") or 0))
    match data["Type"]:
        case "redirect":
            return _redirect(data["RedirectConfig"])
        case "fixed-response":
            config = data["FixedResponseConfig"]
            return Fixed(
                int(config["StatusCode"]), config.get("ContentType") or "text/plain", config.get("MessageBody") or ""
            )
        case "forward":
            return Forward(_weights(data))
        case other:
            return Fixed(501, "text/plain", f"The sandbox does not know the action {other}.")


def _redirect(config: dict[str, Any]) -> Redirect:
    return Redirect(
        status=int(str(config["StatusCode"]).removeprefix("HTTP_")),
        protocol=config.get("Protocol") or "#{protocol}",
        host=config.get("Host") or "#{host}",
        port=str(config.get("Port") or "#{port}"),
        path=config.get("Path") or "/#{path}",
        query=config.get("Query", "#{query}"),
    )


def _weights(data: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    groups = (data.get("ForwardConfig") or {}).get("TargetGroups") or []
    weighted = [(each["TargetGroupArn"], int(each.get("Weight", 1))) for each in groups]
    return tuple(weighted or [(data["TargetGroupArn"], 1)])
