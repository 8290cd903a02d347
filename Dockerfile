# One image for web, worker, beat, Flower and the setup step; docker-compose.yml says which one a container is.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /holdfast

# The locked packages first: they change less often than the code. The tiny model and its server stay out.
COPY requirements/run.txt requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/run.txt

RUN useradd --system --home-dir /holdfast holdfast && install -d -o holdfast /data
COPY . .
USER holdfast
ENV DATA_DIR=/data HOST=0.0.0.0 LOCAL_MODEL=off
