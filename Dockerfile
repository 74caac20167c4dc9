# The voting app. Plain instructions only: the classic builder and BuildKit both build it.
FROM python:3.12-slim AS build
RUN python3 -m venv /venv
COPY app/requirements.txt /srv/app/requirements.txt
RUN /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check -r /srv/app/requirements.txt \
 && rm -rf /venv/lib/python3*/site-packages/pip /venv/lib/python3*/site-packages/setuptools \
      /venv/lib/python3*/site-packages/pip-* /venv/lib/python3*/site-packages/setuptools-* \
      /venv/lib/python3*/site-packages/pkg_resources /venv/lib/python3*/site-packages/_distutils_hack \
      /venv/lib/python3*/site-packages/distutils-precedence.pth /venv/bin/pip*
COPY app /srv/app
# Compiled here, since the root file system is read-only later; readable whatever the umask of the checkout was.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /srv/app && chmod -R a+rX /srv /venv

FROM python:3.12-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin voting
COPY --from=build /venv /venv
COPY --from=build /srv /srv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv
# On Fargate the volume mounted over /tmp takes this directory's permissions.
RUN chmod 1777 /tmp
VOLUME ["/tmp"]
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
CMD ["gunicorn", "--config", "app/gunicorn.conf.py", "app.voting:create_app()"]
