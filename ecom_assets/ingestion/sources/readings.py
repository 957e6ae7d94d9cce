"""Files as a mapping reads them, of any kind."""

from ecom_assets.ingestion.sources.cost_reading import ClassifiedFileReading
from ecom_assets.ingestion.sources.reading import CustomerFileReading, FileReading
from ecom_assets.ingestion.sources.stock_reading import StockFileReading

Reading = FileReading | CustomerFileReading | ClassifiedFileReading | StockFileReading
