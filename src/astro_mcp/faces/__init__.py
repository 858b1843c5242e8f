"""The doors. A face speaks one protocol and knows the call path; it knows no agent and no driver."""
