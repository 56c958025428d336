"""Who may do what: API keys, and what an open server on this machine still refuses."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from assistant.http.errors import ApiError
from assistant.store.keys import digest
from assistant.store.records import ApiKey
from assistant.store.store import Store

# For how long a worker trusts what it has read: a revoked key opens nothing after that.
TRUSTED_SECONDS = 2.0
REMEMBERED = 1024
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

_bearer = HTTPBearer(auto_error=False, description="An API key: `assistant keys create`.")


class Doorkeeper:
    """Lets requests in. Once the store has had a key, every request needs one; before that only this machine asks."""

    def __init__(self, store: Store, *, origins: Collection[str] = ()) -> None:
        """`origins` are the web pages that may ask."""
        self._store = store
        self._origins = frozenset(origins)
        self._known: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._locked = False
        self._looked = -TRUSTED_SECONDS

    async def admit(self, request: Request, token: str | None, scope: str) -> ApiKey | None:
        """The request's key; None on a server without keys. Raises ApiError."""
        if token is None:
            if await self._needs_key():
                raise ApiError(
                    401,
                    "an API key is needed: send `Authorization: Bearer KEY`; make one with: assistant keys create NAME",
                    kind="authentication_error",
                    code="missing_api_key",
                    headers={"www-authenticate": "Bearer"},
                )
            self._refuse_web_pages(request)
            return None
        key = await self._key(token)
        if key is None:
            if not await self._needs_key():
                # Clients of OpenAI's API always send one; here there is nothing to open with it.
                self._refuse_web_pages(request)
                return None
            raise ApiError(
                401,
                "this API key is unknown or was revoked: `assistant keys list` shows those in use",
                kind="authentication_error",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        permit(key, scope)
        return key

    async def _needs_key(self) -> bool:
        moment = time.monotonic()
        if not self._locked and moment - self._looked >= TRUSTED_SECONDS:
            self._locked = await asyncio.to_thread(self._store.has_keys)
            self._looked = moment
        return self._locked

    async def _key(self, token: str) -> ApiKey | None:
        found, moment = digest(token), time.monotonic()
        until, key = self._known.get(found, (0.0, None))
        if moment >= until:
            key = await asyncio.to_thread(self._store.find_key, token)
            self._known[found] = (moment + TRUSTED_SECONDS, key)
            self._known.move_to_end(found)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return key

    def _refuse_web_pages(self, request: Request) -> None:
        """A page of another site, open in this machine's browser, can reach this machine. It must get nothing."""
        host = request.url.hostname or ""
        if host not in LOCAL:
            raise ApiError(
                403,
                f"without API keys this server answers to localhost alone, not to '{host}': "
                "make a key with: assistant keys create NAME",
                kind="permission_error",
            )
        origin = request.headers.get("origin")
        if origin is not None and origin not in self._origins:
            raise ApiError(
                403,
                f"web pages of {origin} may not ask: allow them with --cors-origin {origin}",
                kind="permission_error",
            )


def permit(key: ApiKey | None, *scopes: str) -> None:
    """Raises ApiError where the key lacks one of the scopes. None is a server without keys, where nothing is scoped."""
    lacking = [scope for scope in scopes if key is not None and scope not in key.scopes]
    if lacking:
        make = " ".join(("assistant keys create NAME", *(f"--scope {scope}" for scope in scopes)))
        raise ApiError(
            403,
            f"this API key lacks the scope '{lacking[0]}': make one with: {make}",
            kind="permission_error",
            code="insufficient_scope",
        )


def needs(scope: str) -> Callable[..., Awaitable[None]]:
    """A dependency that lets in who has the scope, at the pace the server allows."""

    async def admit(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> None:
        token = credentials.credentials if credentials is not None else None
        key = await request.app.state.serving.door.admit(request, token, scope)
        client = request.client.host if request.client is not None else ""
        who = f"key {key.id}" if key is not None else client
        request.state.who, request.state.key = who, key
        request.app.state.serving.rates.spend(who)

    return admit
