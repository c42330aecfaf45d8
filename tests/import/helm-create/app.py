from prometheus_client import Counter

REQUESTS = Counter("nlu_requests", "Requests", ["status"])


async def predict(body):
    REQUESTS.labels(status="pending").inc()
    answer = await model(body)
    REQUESTS.labels(status="success").inc()
    return answer
