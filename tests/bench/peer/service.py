"""The service that is measured beside ours: ModelScope's own pipeline behind FastAPI, as its users deploy it.

    MODEL=DIR THREADS=1 python -m uvicorn service:app --workers 2

Nothing here is made slow: the pipeline is loaded once, requests run in the framework's thread pool, and a lock guards
what cannot be shared (the fast tokenizer refuses concurrent use).
"""

import os
import threading

import torch
from fastapi import FastAPI
from modelscope.pipelines import pipeline
from modelscope.utils.constant import Tasks
from pydantic import BaseModel

torch.set_num_threads(int(os.environ.get("THREADS", "1")))
model = pipeline(Tasks.siamese_uie, os.environ["MODEL"])
one_at_a_time = threading.Lock()
app = FastAPI()


class Question(BaseModel):
    text: str
    schema_: dict

    model_config = {"alias_generator": lambda name: name.rstrip("_")}


@app.get("/ready")
def ready():
    return {"status": "ready"}


@app.post("/api/predict")
def predict(question: Question):
    with one_at_a_time:
        return model(question.text, schema=question.schema_)
