"""The API's questions as tools of the Model Context Protocol (MCP), for assistants;
needs the extra `mcp`.
"""
