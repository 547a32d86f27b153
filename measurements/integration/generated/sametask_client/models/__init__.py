"""Contains all the data models used in inputs/outputs"""

from .agent_entry import AgentEntry
from .answer_task_body import AnswerTaskBody
from .artifact import Artifact
from .assignment import Assignment
from .cache_report import CacheReport
from .candidate_model import CandidateModel
from .catalogue import Catalogue
from .crossing import Crossing
from .crossing_cheaper_above import CrossingCheaperAbove
from .data_part import DataPart
from .dense_model import DenseModel
from .error_info import ErrorInfo
from .error_info_details import ErrorInfoDetails
from .estimate import Estimate
from .estimate_cheaper import EstimateCheaper
from .estimate_cheaper_above import EstimateCheaperAbove
from .estimate_cheaper_below import EstimateCheaperBelow
from .estimate_request import EstimateRequest
from .file_part import FilePart
from .frontier_point import FrontierPoint
from .gpu import Gpu
from .hit_rate_point import HitRatePoint
from .model_router_tune_task import ModelRouterTuneTask
from .moe_model import MoeModel
from .open_question import OpenQuestion
from .open_question_answer_schema import OpenQuestionAnswerSchema
from .plan import Plan
from .plan_request import PlanRequest
from .plan_request_dtype import PlanRequestDtype
from .prefix_cache_simulate_task import PrefixCacheSimulateTask
from .problem import Problem
from .problem_details import ProblemDetails
from .progress import Progress
from .query import Query
from .route_plan import RoutePlan
from .route_request import RouteRequest
from .route_request_policy import RouteRequestPolicy
from .simulate_request import SimulateRequest
from .simulate_request_partial_blocks import SimulateRequestPartialBlocks
from .skill_entry import SkillEntry
from .skill_entry_input_schema import SkillEntryInputSchema
from .skill_entry_output_schema import SkillEntryOutputSchema
from .synthetic_queries import SyntheticQueries
from .synthetic_trace import SyntheticTrace
from .task import Task
from .task_list import TaskList
from .task_state import TaskState
from .terms import Terms
from .terms_bound import TermsBound
from .text_part import TextPart
from .trace_request import TraceRequest
from .tune_request import TuneRequest
from .tune_request_policy import TuneRequestPolicy
from .tuned import Tuned
from .webhook_created import WebhookCreated
from .webhook_entry import WebhookEntry
from .webhook_list import WebhookList
from .webhook_request import WebhookRequest
from .webhook_state import WebhookState

__all__ = (
    "AgentEntry",
    "AnswerTaskBody",
    "Artifact",
    "Assignment",
    "CacheReport",
    "CandidateModel",
    "Catalogue",
    "Crossing",
    "CrossingCheaperAbove",
    "DataPart",
    "DenseModel",
    "ErrorInfo",
    "ErrorInfoDetails",
    "Estimate",
    "EstimateCheaper",
    "EstimateCheaperAbove",
    "EstimateCheaperBelow",
    "EstimateRequest",
    "FilePart",
    "FrontierPoint",
    "Gpu",
    "HitRatePoint",
    "ModelRouterTuneTask",
    "MoeModel",
    "OpenQuestion",
    "OpenQuestionAnswerSchema",
    "Plan",
    "PlanRequest",
    "PlanRequestDtype",
    "PrefixCacheSimulateTask",
    "Problem",
    "ProblemDetails",
    "Progress",
    "Query",
    "RoutePlan",
    "RouteRequest",
    "RouteRequestPolicy",
    "SimulateRequest",
    "SimulateRequestPartialBlocks",
    "SkillEntry",
    "SkillEntryInputSchema",
    "SkillEntryOutputSchema",
    "SyntheticQueries",
    "SyntheticTrace",
    "Task",
    "TaskList",
    "TaskState",
    "Terms",
    "TermsBound",
    "TextPart",
    "TraceRequest",
    "TuneRequest",
    "TuneRequestPolicy",
    "Tuned",
    "WebhookCreated",
    "WebhookEntry",
    "WebhookList",
    "WebhookRequest",
    "WebhookState",
)
