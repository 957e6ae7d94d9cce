-- Two users with a database each: the Dagster instance and the warehouse. Run once by a superuser with psql 14 or newer,
-- with both passwords in the environment; the Postgres container does so on an empty volume.
\set ON_ERROR_STOP on
\getenv dagster_password DAGSTER_PG_PASSWORD
\getenv warehouse_password WAREHOUSE_PASSWORD
CREATE ROLE dagster LOGIN PASSWORD :'dagster_password';
CREATE ROLE ecom LOGIN PASSWORD :'warehouse_password';
CREATE DATABASE dagster OWNER dagster;
CREATE DATABASE warehouse OWNER ecom;
REVOKE CONNECT ON DATABASE dagster, warehouse FROM PUBLIC;
