# class: result_forgery / expect: ok-contained
# detect: a monitoring tool of the guest sees or changes what the next guest does
# verify: reuse
VICTIM = 'import sys\ndef f(x):\n    m = getattr(sys, "monitoring", None)\n    return m is None or all(m.get_tool(n) is None for n in range(6))'
VICTIM_EXPECT = 'True'
import sys
def f(x):
    tools = getattr(sys, 'monitoring', None)
    if tools is None: return 'none here'
    for number in range(6):
        tools.use_tool_id(number, 'spy')
        tools.set_events(number, tools.events.PY_RETURN | tools.events.LINE)
        tools.register_callback(number, tools.events.PY_RETURN, lambda code, offset, value: None)
    return 'hooked'
