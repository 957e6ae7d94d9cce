-- Three users with a database each: the Dagster instance, the warehouse, and the state that all processes share (what was
-- delivered, what people keep). Run once by a superuser with psql 14 or newer, with the passwords in the environment; the
-- Postgres container does so on an empty volume.
\set ON_ERROR_STOP on
\getenv dagster_password DAGSTER_PG_PASSWORD
\getenv warehouse_password WAREHOUSE_PASSWORD
\getenv state_password STATE_PASSWORD
CREATE ROLE dagster LOGIN PASSWORD :'dagster_password';
CREATE ROLE ecom LOGIN PASSWORD :'warehouse_password';
CREATE ROLE ecom_state LOGIN PASSWORD :'state_password';
CREATE DATABASE dagster OWNER dagster;
CREATE DATABASE warehouse OWNER ecom;
CREATE DATABASE state OWNER ecom_state;
REVOKE CONNECT ON DATABASE dagster, warehouse, state FROM PUBLIC;
