"""One party's routes, and how the other asks for them."""

import asyncio
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from interparty import bodies
from interparty.deposit_messages import AidStatus
from interparty.messages import Accepted, ConversionRequest

AID = "888132341582397708"
ASKED = ConversionRequest(aid=AID, enterprise="ent-a")


async def convert(request):
    asked = await bodies.read(request, ConversionRequest)
    if asked.enterprise == "nobody":
        raise HTTPException(HTTPStatus.NOT_FOUND, "no such AID")
    if asked.enterprise == "broken":
        raise RuntimeError(asked.aid)
    if asked.enterprise == "slow":
        await asyncio.sleep(0.5)
    return bodies.answer(AidStatus(aid=asked.aid, status="ACTIVE", evidence_id=request.state.party))


async def log(request):
    return bodies.answer(Accepted(accepted=int(request.query_params["index"])))


async def health(_):
    return JSONResponse({"status": "ok"})


APP = Starlette(
    routes=[
        Route("/v1/conversions", convert, methods=["POST"]),
        Route("/v1/log/inclusion", log),
        Route("/health", health),
    ]
)


async def ask(peer, enterprise="ent-a", **options):
    asked = ConversionRequest(aid=AID, enterprise=enterprise)
    return await peer.request("POST", "/v1/conversions", asked, AidStatus, **options)


async def raw(port, context, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(65536), 5)
    finally:
        writer.close()
